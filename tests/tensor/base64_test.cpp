#include "tensor/base64.h"

#include <doctest/doctest.h>

#include <string>

using signet::base64;

TEST_CASE("Base64 of RFC 4648's test vectors") {
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foob") == "Zm9vYg==");
  CHECK(base64("fooba") == "Zm9vYmE=");
  CHECK(base64("foobar") == "Zm9vYmFy");
}

TEST_CASE("Base64 of bytes with their highest bit set") {
  CHECK(base64(std::string("\xFF\xFE\x00", 3)) == "//4A");
  CHECK(base64("\xFB\xF0") == "+/A=");
}
