#include "models/pickle.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/models/file_bytes.h"

namespace {

using namespace signet::models;
using namespace signet::models::testing;
using Kind = PickleValue::Kind;

bool allow_torch(std::string_view name) {
  return name.starts_with("torch.") || name == "collections.OrderedDict";
}

Pickle read(std::string_view bytes) {
  return read_pickle(bytes, allow_torch, "f");
}

std::string read_refusal(const std::string& bytes) {
  return refusal([&] { read(bytes); });
}

bool mentions(const std::string& sentence, std::string_view part) {
  return sentence.find(part) != std::string::npos;
}

const PickleValue& root(const Pickle& read) {
  return read.at(read.root);
}

int64_t integer_of(const std::string& opcodes) {
  const Pickle read_back = read(opcodes + ".");
  REQUIRE(root(read_back).kind == Kind::kInt);
  return root(read_back).integer;
}

std::string string_of(const std::string& opcodes) {
  const std::string bytes = opcodes + ".";
  const Pickle read_back = read(bytes);
  REQUIRE(root(read_back).kind == Kind::kString);
  return std::string(root(read_back).text);
}

std::string repeated(const std::string& part, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += part;
  return text;
}

}  // namespace

TEST_CASE("integers of every opcode") {
  using namespace std::string_literals;
  CHECK(integer_of("K\xff") == 255);
  CHECK(integer_of("M\x01\x80") == 0x8001);
  CHECK(integer_of("J\xfe\xff\xff\xff") == -2);
  CHECK(integer_of("I-12\n") == -12);
  CHECK(integer_of("L-12L\n") == -12);
  CHECK(integer_of("\x8a\0"s) == 0);
  CHECK(integer_of("\x8a\x01\xff") == -1);
  CHECK(integer_of("\x8a\x02\xff\0"s) == 255);
  CHECK(integer_of("\x8a\x08\0\0\0\0\0\0\0\x80"s) == INT64_MIN);
  CHECK(integer_of("\x8b\x01\0\0\0\x7f"s) == 127);
  const Pickle big = read("\x8a\x09\0\0\0\0\0\0\0\0\x01."s);
  CHECK(root(big).kind == Kind::kBigInt);
  CHECK(root(big).text.size() == 9);
}

TEST_CASE("the memo numbers values in the order of MEMOIZE") {
  using namespace std::string_literals;
  CHECK(integer_of("K\x05\x94K\x06\x94\060\060h\0"s) == 5);
  CHECK(integer_of("K\x05\x94K\x06\x94\060\060h\1"s) == 6);
}

TEST_CASE("floats, truths and nothing") {
  using namespace std::string_literals;
  const Pickle binary = read("G\x3f\xf8\0\0\0\0\0\0."s);
  CHECK(root(binary).kind == Kind::kFloat);
  CHECK(root(binary).real == 1.5);
  const Pickle in_text = read("F-2.5e3\n.");
  CHECK(root(in_text).real == -2500);
  for (const char* yes : {"\x88.", "I01\n."}) {
    const Pickle truth = read(yes);
    CHECK(root(truth).kind == Kind::kBool);
    CHECK(root(truth).integer == 1);
  }
  const Pickle no = read("\x89.");
  CHECK(root(no).kind == Kind::kBool);
  CHECK(root(no).integer == 0);
  const Pickle none = read("N.");
  CHECK(root(none).kind == Kind::kNone);
}

TEST_CASE("texts of every opcode") {
  using namespace std::string_literals;
  CHECK(string_of("X\x02\0\0\0hi"s) == "hi");
  CHECK(string_of("T\x02\0\0\0hi"s) == "hi");
  CHECK(string_of("U\x02hi") == "hi");
  CHECK(string_of("\x8c\x02hi") == "hi");
  CHECK(string_of("\x8d\x02\0\0\0\0\0\0\0hi"s) == "hi");
  CHECK(string_of("S'hi'\n") == "hi");
  CHECK(string_of("Vhi\n") == "hi");
  for (const std::string& bytes :
       {"B\x02\0\0\0hi"s, "C\x02hi"s, "\x8e\x02\0\0\0\0\0\0\0hi"s, "\x96\x02\0\0\0\0\0\0\0hi"s}) {
    const std::string stopped = bytes + ".";
    const Pickle read_back = read(stopped);
    CHECK(root(read_back).kind == Kind::kBytes);
    CHECK(root(read_back).text == "hi");
  }
}

TEST_CASE("containers, the memo and calls") {
  const Pickle containers = read("](K\x01K\x02\x86)K\x03K\x04K\x05\x87q\x07h\7e.");
  REQUIRE(root(containers).kind == Kind::kList);
  const auto& elements = root(containers).elements;
  REQUIRE(elements.size() == 4);
  CHECK(containers.at(elements[0]).elements.size() == 2);
  CHECK(containers.at(elements[1]).elements.empty());
  CHECK(containers.at(elements[2]).elements.size() == 3);
  CHECK(elements[2] == elements[3]);

  const Pickle dicts = read("}U\1aK\x01s(U\1bK\x02U\1cK\x03u.");
  CHECK(root(dicts).kind == Kind::kDict);
  CHECK(root(dicts).elements.size() == 6);

  const Pickle object = read("ctorch\nThing\n(K\x01tRU\x01kK\x02sNb.");
  REQUIRE(root(object).kind == Kind::kObject);
  CHECK(object.at(root(object).callable).text == "torch.Thing");
  CHECK(object.at(root(object).elements[0]).elements.size() == 1);
  CHECK(root(object).items.size() == 2);
  CHECK(object.at(root(object).state).kind == Kind::kNone);

  for (const char* same :
       {"\x8c\x05torch\x8c\x05Thing\x93)\x81.", "(itorch\nThing\n.", "(ctorch\nThing\no.",
        "ctorch\nThing\n)}\x92.", "\x80\x04\x95\x10\0\0\0\0\0\0\0ctorch\nThing\n\x94)R."}) {
    const std::string bytes = same[0] == '\x80' ? std::string(same, 28) : std::string(same);
    const Pickle made = read(bytes);
    REQUIRE(root(made).kind == Kind::kObject);
    CHECK(made.at(root(made).callable).text == "torch.Thing");
  }

  CHECK(root(read("K\x07Q.")).kind == Kind::kPersistent);
  CHECK(root(read("P7\n.")).kind == Kind::kPersistent);
  CHECK(root(read("\x8f(K\x01\x90.")).elements.size() == 1);
  CHECK(root(read("(K\x01\x91.")).kind == Kind::kSet);
}

TEST_CASE("what a pickle asks to run is refused by name") {
  struct Case {
    const char* module;
    const char* name;
  };
  const Case cases[] = {{"os", "system"},
                        {"posix", "system"},
                        {"nt", "system"},
                        {"builtins", "eval"},
                        {"builtins", "exec"},
                        {"builtins", "getattr"},
                        {"__builtin__", "eval"},
                        {"copyreg", "_reconstructor"},
                        {"subprocess", "Popen"},
                        {"runpy", "_run_code"},
                        {"operator", "attrgetter"},
                        {"pickle", "loads"},
                        {"numpy.core.multiarray", "_reconstruct"},
                        {"collections", "OrderedDict.fromkeys"},
                        {"collections.OrderedDict", ""},
                        {"torchx", "load"}};
  for (const Case& hostile : cases) {
    const std::string name = std::string(hostile.module) + "." + hostile.name;
    CAPTURE(name);
    const std::string forms[] = {
        global(hostile.module, hostile.name) + text("true") + "\x85R.",
        text(hostile.module) + text(hostile.name) + "\x93" + text("true") + "\x85R.",
        fmt::format("({}i{}\n{}\n.", text("true"), hostile.module, hostile.name),
        fmt::format("({}{}o.", global(hostile.module, hostile.name), text("true")),
        global(hostile.module, hostile.name) + ")\x81.",
        global(hostile.module, hostile.name) + "0N.",
    };
    for (const std::string& form : forms) {
      CHECK(mentions(read_refusal(form), fmt::format("refuses to run {}: ", name)));
    }
  }
}

TEST_CASE("names in refusals cannot drive a terminal") {
  CHECK(mentions(read_refusal("cos\nsys\x1b[2Jtem\n."), "refuses to run os.sys?[2Jtem: "));
}

TEST_CASE("malformed pickles are refused with the fault") {
  using namespace std::string_literals;
  struct Case {
    std::string bytes;
    const char* fault;
  };
  const Case cases[] = {
      {"", "1 bytes are wanted, 0 are left"},
      {"\x80\x02", "are wanted"},
      {"\x80\x06N.", "protocol 6 is unknown"},
      {"\x82\x01.", "opcode 0x82 is unknown"},
      {"\x97.", "opcode 0x97 is unknown"},
      {".", "the stack is empty"},
      {"NN.", "values are left over"},
      {"(N.", "values are left over"},
      {"N(.", "the stack is empty"},
      {"0.", "the stack is empty"},
      {"a.", "the stack is empty"},
      {"N\x86.", "the stack is empty"},
      {"N(\x85.", "the stack is empty"},
      {"t.", "a mark is missing"},
      {"u.", "a mark is missing"},
      {"1.", "a mark is missing"},
      {"h\x05.", "memo 5 is empty"},
      {"g99\n.", "memo 99 is empty"},
      {"gx\n.", "\"x\" is not a number in range"},
      {"I99999999999999999999\n.", "is not a number in range"},
      {"I1", "a line does not end"},
      {"F1.5x\n.", "is not a number in range"},
      {"S'a\n.", "a text is not quoted"},
      {"S'\n.", "a text is not quoted"},
      {"S'\\x41'\n.", "a text with escapes is not supported"},
      {"X\377\377\377\377a.", "4294967295 bytes are wanted, 2 are left"},
      {"\215\377\377\377\377\377\377\377\377a.", "18446744073709551615 bytes are wanted"},
      {"\213\377\377\377\177a.", "2147483647 bytes are wanted"},
      {"\213\377\377\377\377a.", "an integer has a negative length"},
      {"NNa.", "added to something that is not a list"},
      {"N(Ne.", "added to something that is not a list"},
      {"N(N\x90.", "added to something that is not a set"},
      {"NNNs.", "assigned to something that is not a dict"},
      {"}(Nu.", "a key has no value"},
      {"(Nd.", "a key has no value"},
      {"N)R.", "something that is not a global is called"},
      {"ctorch\nThing\nNR.", "the arguments of a call are not a tuple"},
      {"(o.", "an object has no class"},
      {"(No.", "something that is not a global is called"},
      {"NN\x93.", "the name of a global is no text"},
      {"]Nb.", "a state is given to something that is not an object"},
  };
  for (const Case& malformed : cases) {
    CAPTURE(malformed.bytes);
    CHECK(mentions(read_refusal(malformed.bytes), malformed.fault));
  }
}

TEST_CASE("pickles that blow up elsewhere stay small") {
  SUBCASE("deep nesting") {
    const Pickle nested = read(fmt::format("]{}{}.", repeated("]", 200'000), repeated("a", 200'000)));
    CHECK(nested.values.size() == 200'001);
    const Pickle tuples = read(fmt::format("){}.", repeated("\x85", 200'000)));
    CHECK(tuples.values.size() == 200'001);
  }
  SUBCASE("a billion laughs, each list holding the last ten times") {
    std::string bytes = "(]q" + std::string(1, '\0');
    for (int i = 0; i < 100; ++i) {
      bytes += "](" + repeated(std::string("h") + char(i), 10) + "eq" + char(i + 1);
    }
    bytes += "l.";
    const Pickle laughs = read(bytes);
    CHECK(laughs.values.size() < 300);
  }
  SUBCASE("a list and a dict that hold themselves") {
    const Pickle list = read("]q\x01h\1a.");
    CHECK(root(list).elements == std::vector<PickleId>{list.root});
    const Pickle dict_of_itself = read("}q\x01U\x01kh\x01s.");
    CHECK(root(dict_of_itself).elements[1] == dict_of_itself.root);
    const Pickle object = read("ctorch\nThing\n)Rq\x01h\1b.");
    CHECK(root(object).state == object.root);
  }
  SUBCASE("a list that is extended with itself") {
    const std::string doubling = fmt::format("]q\1{}.", repeated("h\1a", 10));
    CHECK(root(read(doubling)).elements.size() == 10);
  }
  SUBCASE("a memo index without a memo") {
    CHECK(read("Nr\xff\xff\xff\xff.").values.size() == 1);
  }
  SUBCASE("too many values, too high a stack, too many marks, too full a memo") {
    CHECK(mentions(read_refusal(repeated("N0", 1'100'000) + "N."), "a pickle of more than 1048576 values"));
    CHECK(mentions(read_refusal(fmt::format("N{}.", repeated("2", 1'100'000))),
                   "stacks more than 1048576 values"));
    CHECK(mentions(read_refusal(repeated("(", 1'100'000) + "."), "more than 1048576 open marks"));
    std::string memo = "N";
    for (uint32_t i = 0; i < 1'100'000; ++i) memo.append("r").append(little_endian(i));
    CHECK(mentions(read_refusal(memo + "."), "memoizes more than 1048576 values"));
  }
}

TEST_CASE("damage to a pickle ends in an Error") {
  const std::string file = fixture("state_dict_stream.pth");
  const auto read_all = [](std::string_view bytes) {
    for (size_t position = 0, i = 0; i < 5; ++i) {
      position += read_pickle(bytes.substr(position), allow_torch, "f").end;
    }
  };
  CHECK_NOTHROW(read_all(file));
  CHECK(read_truncated(file, read_all).failures.empty());
  CHECK(read_with_changed_bytes(file, read_all).failures.empty());
}
