#include "models/archive.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "tensor/error.h"

namespace signet::models {
namespace {

struct DtypeSize {
  std::string_view name;
  size_t bytes;
};

constexpr std::array<DtypeSize, 15> kDtypeSizes = {{{"F32", 4},
                                                    {"F16", 2},
                                                    {"BF16", 2},
                                                    {"F64", 8},
                                                    {"I64", 8},
                                                    {"I32", 4},
                                                    {"I16", 2},
                                                    {"I8", 1},
                                                    {"U64", 8},
                                                    {"U32", 4},
                                                    {"U16", 2},
                                                    {"U8", 1},
                                                    {"BOOL", 1},
                                                    {"F8_E4M3", 1},
                                                    {"F8_E5M2", 1}}};

/// IEEE 754 binary16 to binary32, exact; NaN keeps its payload.
float half_to_float(uint16_t half) {
  const uint32_t sign = uint32_t(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 31;
  const uint32_t fraction = half & 0x3ff;
  if (exponent == 0) {
    const float magnitude = float(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t wide_exponent = exponent == 31 ? 255 : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide_exponent << 23 | fraction << 13);
}

float bfloat16_to_float(uint16_t bits) {
  return std::bit_cast<float>(uint32_t(bits) << 16);
}

uint16_t float_to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return uint16_t(bits >> 16 | 0x40);  // rounding could make it infinite
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <class Element, class Convert>
std::vector<float> convert_elements(const Array& array, const Convert& convert) {
  std::vector<float> floats(array.bytes.size() / sizeof(Element));
  for (size_t i = 0; i < floats.size(); ++i) {
    Element element;
    std::memcpy(&element, array.bytes.data() + i * sizeof(Element), sizeof(Element));
    floats[i] = convert(element);
  }
  return floats;
}

}  // namespace

const Array* Archive::find(std::string_view name) const {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.first == name; });
  return found == entries.end() ? nullptr : &found->second;
}

size_t dtype_size(std::string_view dtype) {
  const auto found = std::find_if(kDtypeSizes.begin(), kDtypeSizes.end(),
                                  [&](const DtypeSize& known) { return known.name == dtype; });
  return found == kDtypeSizes.end() ? 0 : found->bytes;
}

std::optional<uint64_t> byte_count(const std::vector<int64_t>& shape, std::string_view dtype) {
  uint64_t product = dtype_size(dtype);
  if (product == 0) return std::nullopt;
  bool is_empty = false;
  for (const int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (size == 0) {
      is_empty = true;
      continue;
    }
    if (product > uint64_t(std::numeric_limits<int64_t>::max()) / uint64_t(size)) return std::nullopt;
    product *= uint64_t(size);
  }
  return is_empty ? 0 : product;
}

std::string printable(std::string_view name) {
  constexpr size_t kMaxLength = 200;
  std::string text(name.substr(0, kMaxLength));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  if (name.size() > kMaxLength) text += "…";
  return text;
}

std::vector<float> to_f32(const Array& array) {
  if (byte_count(array.shape, array.dtype) != array.bytes.size()) {
    throw std::invalid_argument("[to_f32] the bytes do not fit shape and dtype");
  }
  const auto cast = [](auto element) { return static_cast<float>(element); };
  if (array.dtype == "F32") return convert_elements<float>(array, cast);
  if (array.dtype == "F16") return convert_elements<uint16_t>(array, half_to_float);
  if (array.dtype == "BF16") return convert_elements<uint16_t>(array, bfloat16_to_float);
  if (array.dtype == "F64") return convert_elements<double>(array, cast);
  if (array.dtype == "I64") return convert_elements<int64_t>(array, cast);
  if (array.dtype == "I32") return convert_elements<int32_t>(array, cast);
  fail("an array of dtype {} cannot be read as F32; save it as F32, F16, BF16, F64, I64 or I32", array.dtype);
}

Array to_bf16(const Array& array) {
  if (array.dtype != "F32") return array;
  const auto values = to_f32(array);
  Array half{array.shape, "BF16", std::vector<std::byte>(values.size() * sizeof(uint16_t))};
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits = float_to_bfloat16(values[i]);
    std::memcpy(half.bytes.data() + i * sizeof bits, &bits, sizeof bits);
  }
  return half;
}

}  // namespace signet::models
