#include "data/name_pattern.h"

#include "tests/data/fixtures.h"

using namespace signet::data;

namespace {

std::string fields(const NamePattern& pattern, const std::string& name) {
  const auto f = pattern.read(name);
  return f.signer + "," + f.light + "," + f.take;
}

std::string refusal(const std::string& pattern) {
  return error_of([&] { NamePattern{pattern}; });
}

}  // namespace

TEST_CASE("the default pattern reads the names of the ASL set") {
  const NamePattern pattern;
  CHECK(fields(pattern, "hand1_0_bot_seg_1_cropped.jpeg") == "1,bot,1");
  CHECK(fields(pattern, "hand12_z_right_seg_5_cropped.jpeg") == "12,right,5");
  CHECK(fields(pattern, "hand3_a_dif_seg_4.png") == "3,dif,4");
  CHECK(fields(pattern, "IMG_2031.jpg") == ",,");
  CHECK(fields(pattern, "left_hand1_0_bot_seg_1.jpg") == ",,");
}

TEST_CASE("a pattern has named or numbered groups") {
  CHECK(fields(NamePattern(R"(^(\w+?)-(\w+?)-(\d+))"), "ann-sun-3.jpg") == "ann,sun,3");
  CHECK(fields(NamePattern(R"(^(\w+?)-)"), "ann-sun-3.jpg") == "ann,,");
  CHECK(fields(NamePattern(R"((?<take>\d+)_(?P<signer>\w+)\.)"), "7_bob.png") == "bob,,7");
  CHECK(fields(NamePattern(R"((?:x|y)(a|b)[(\](]\((?<signer>\d+)\))"), "xb((42).png") == "42,,");
  CHECK(fields(NamePattern(R"((?=p)(?!q)(p\d))"), "p5.png") == "p5,,");
}

TEST_CASE("a bad pattern is refused, and told how to write one") {
  for (const char* pattern :
       {"(?<signer>[a-", "hand(", "no group", "(?:a)", "(?<hand>x)", "(?<signer", "*"}) {
    CAPTURE(pattern);
    const std::string text = refusal(pattern);
    CHECK(text.starts_with("--name-pattern: "));
    CHECK(contains(text, "(?<signer>"));
  }
  CHECK(contains(refusal("(?<hand>x)"), "'hand' is not one of signer, light and take"));
}
