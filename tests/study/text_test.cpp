#include "study/text.h"

#include <doctest/doctest.h>

namespace signet::study {
namespace {

TEST_CASE("widths count characters, not bytes") {
  CHECK(characters("größe") == 5);
  CHECK(left_aligned("é", 3) == "é  ");
  CHECK(right_aligned("é", 3) == "  é");
  CHECK(right_aligned("long", 3) == "long");
}

TEST_CASE("text is cut between characters") {
  CHECK(shortened("größer", 6) == "größer");
  CHECK(shortened("größer!", 6) == "grö...");
  CHECK(shortened("öäü!", 2) == "öä");
  CHECK(shortened("abc", 0).empty());
}

TEST_CASE("control characters and broken UTF-8 are replaced") {
  CHECK(printable("a\x1b[31m\nb\x7f") == "a?[31m?b?");
  CHECK(printable("ü日😀") == "ü日😀");
  CHECK(printable("\xC2\x9B"
                  "x") == "??x");                  // a C1 control
  CHECK(printable("a\xFF\xC3") == "a??");          // no lead byte; cut off
  CHECK(printable("\xC0\xAF") == "??");            // overlong
  CHECK(printable("\xE0\x80\xAF") == "???");       // overlong
  CHECK(printable("\xED\xA0\x80") == "???");       // surrogate
  CHECK(printable("\xF4\x90\x80\x80") == "????");  // above U+10FFFF
  CHECK(printable("\xE2\x82"
                  "A") == "??A");
}

}  // namespace
}  // namespace signet::study
