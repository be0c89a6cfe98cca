#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace signet {

/// What a tensor's elements are. Computation accumulates in f32 whatever the storage.
enum class DType : uint8_t { f32, i32, u8 };

/// Bytes an element.
constexpr int64_t size_of(DType dtype) {
  return dtype == DType::u8 ? 1 : 4;
}
const char* name_of(DType dtype);

/// Where a tensor lives and which kernels compute on it. `reference` shares the CPU's memory but runs
/// kernels/ref.
struct Device {
  enum class Type : uint8_t { cpu, reference, cuda };
  Type type = Type::cpu;
  int index = 0;

  bool operator==(const Device&) const = default;
  std::string to_string() const;

  /// Reads "cpu", "reference", "cuda" or "cuda:1"; throws Error for anything else, and for cuda in a build
  /// without it.
  static Device parse(std::string_view text);
};

}  // namespace signet
