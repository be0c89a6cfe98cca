#include "tensor/hash.h"

#include <doctest/doctest.h>

#include <string>

namespace signet {
namespace {

TEST_CASE("crc32: the check value of its definition, and long inputs byte by byte") {
  CHECK(crc32("123456789") == 0xcbf43926u);
  CHECK(crc32("") == 0);
  // Sixteen bytes at a time must give what single bytes give: appending a byte must follow the recurrence.
  std::string text;
  for (int i = 0; i < 100; ++i) text += char(i * 37);
  uint32_t crc = ~0u;
  for (const char c : text) {
    crc ^= uint8_t(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  CHECK(crc32(text) == ~crc);
}

TEST_CASE("crc32c: examples of RFC 3720, appendix B.4") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aau);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43u);
  CHECK(crc32c("123456789") == 0xe3069283u);
}

TEST_CASE("fnv1a: published values") {
  static_assert(fnv1a("") == 0xcbf29ce484222325u);
  static_assert(fnv1a("a") == 0xaf63dc4c8601ec8cu);
  CHECK(fnv1a("foobar") == 0x85944171f73967e8u);
}

}  // namespace
}  // namespace signet
