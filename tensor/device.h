#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/bf16.h"

namespace signet {

/// What a tensor's elements are. Computation accumulates in f32 whatever the storage.
enum class DType : uint8_t { f32, bf16, i32, u8 };

/// Bytes an element.
constexpr int64_t size_of(DType dtype) {
  return dtype == DType::u8 ? 1 : dtype == DType::bf16 ? 2 : 4;
}
const char* name_of(DType dtype);

/// The type of activations held as float or BFloat16.
template <class act>
constexpr DType dtype_of = DType::f32;
template <>
inline constexpr DType dtype_of<BFloat16> = DType::bf16;

/// Where a tensor lives and which kernels compute on it. `reference` shares the CPU's memory but runs
/// kernels/ref.
struct Device {
  enum class Type : uint8_t { cpu, reference, cuda };
  Type type = Type::cpu;
  int index = 0;

  bool operator==(const Device&) const = default;
  /// Whether its tensors lie in the CPU's memory, where any code may read them.
  bool on_host() const { return type != Type::cuda; }
  std::string to_string() const;
  /// to_string(), for a CUDA device followed by what it is: "cuda:0 (NVIDIA H200)".
  std::string description() const;

  /// Reads "cpu", "reference", "cuda", "cuda:1" or "auto": the first CUDA device if there is one that is not
  /// simulated, else the CPU. Throws Error for anything else, and for a CUDA device that cannot be used, with
  /// the reason.
  static Device parse(std::string_view text);
};

}  // namespace signet
