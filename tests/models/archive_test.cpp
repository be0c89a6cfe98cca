#include "models/archive.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "tensor/error.h"

namespace {

using namespace signet::models;

template <class T>
Array array_of(const char* dtype, const std::vector<T>& elements) {
  Array array{{int64_t(elements.size())}, dtype, std::vector<std::byte>(elements.size() * sizeof(T))};
  std::memcpy(array.bytes.data(), elements.data(), array.bytes.size());
  return array;
}

using Floats = std::vector<float>;

}  // namespace

TEST_CASE("arrays of each dtype are read as float") {
  CHECK(to_f32(array_of<float>("F32", {1.5f, -0.0f})) == Floats{1.5f, -0.0f});
  CHECK(to_f32(array_of<double>("F64", {0.1, 1e300})) ==
        Floats{0.1f, std::numeric_limits<float>::infinity()});
  CHECK(to_f32(array_of<int64_t>("I64", {-3, 1 << 24})) == Floats{-3, 16777216});
  CHECK(to_f32(array_of<int32_t>("I32", {-3, 4})) == Floats{-3, 4});
  CHECK(to_f32(array_of<uint16_t>("BF16", {0x3fc0, 0xc040, 0xff80})) == Floats{1.5f, -3.0f, -INFINITY});
  // 1, -2, largest, smallest normal, smallest subnormal, largest subnormal, infinity
  CHECK(to_f32(array_of<uint16_t>("F16", {0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x03ff, 0x7c00})) ==
        Floats{1, -2, 65504, 0x1p-14f, 0x1p-24f, 1023 * 0x1p-24f, INFINITY});
  const Floats odd = to_f32(array_of<uint16_t>("F16", {0x8000, 0x7e00, 0xfc01}));
  CHECK(std::signbit(odd[0]));
  CHECK(odd[0] == 0);
  CHECK(std::bit_cast<uint32_t>(odd[1]) == 0x7fc00000u);
  CHECK(std::bit_cast<uint32_t>(odd[2]) == 0xff802000u);
  CHECK(to_f32(Array{{0, 3}, "F32", {}}).empty());
}

TEST_CASE("arrays that cannot be floats are refused") {
  CHECK_THROWS_WITH_AS(
      to_f32(array_of<uint8_t>("BOOL", {1})),
      "an array of dtype BOOL cannot be read as F32; save it as F32, F16, BF16, F64, I64 or I32",
      signet::Error);
  CHECK_THROWS_AS(to_f32(Array{{2}, "F32", std::vector<std::byte>(7)}), std::invalid_argument);
  CHECK_THROWS_AS(to_f32(Array{{2}, "F33", std::vector<std::byte>(8)}), std::invalid_argument);
}

TEST_CASE("byte counts are checked for overflow") {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  CHECK(byte_count({}, "F32") == 4);
  CHECK(byte_count({2, 3}, "BF16") == 12);
  CHECK(byte_count({2, 0, 3}, "I64") == 0);
  CHECK(byte_count({kHuge}, "U8") == uint64_t(kHuge));
  CHECK_FALSE(byte_count({kHuge}, "F16"));
  CHECK_FALSE(byte_count({1 << 30, 1 << 30, 8}, "U8"));
  CHECK_FALSE(byte_count({-1}, "U8"));
  CHECK_FALSE(byte_count({0, -1}, "U8"));
  CHECK_FALSE(byte_count({1}, "f32"));
  CHECK_FALSE(byte_count({1}, ""));
}

TEST_CASE("an archive is searched by name") {
  Archive archive;
  archive.entries = {{"a", array_of<float>("F32", {1})}, {"b", array_of<float>("F32", {2})}};
  CHECK(archive.find("b") == &archive.entries[1].second);
  CHECK(archive.find("c") == nullptr);
}

TEST_CASE("names from files are made printable") {
  CHECK(printable("layer4.1.bn2") == "layer4.1.bn2");
  CHECK(printable("a\x1b[31m\n\x7f") == "a?[31m??");
  CHECK(printable(std::string(1000, 'a')) == std::string(200, 'a') + "…");
}
