#pragma once
// What a checkpoint file holds, whatever its form: named arrays and a few strings.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace signet::models {

/// One array of a checkpoint: row-major, contiguous, little-endian.
struct Array {
  std::vector<int64_t> shape;  ///< empty for a scalar
  std::string dtype;  ///< safetensors' name: "F32", "F16", "BF16", "F64", "I64", "I32", "U8", "BOOL", …
  std::vector<std::byte> bytes;  ///< product of shape × dtype_size(dtype) bytes

  bool operator==(const Array&) const = default;
};

/// The content of a checkpoint.
struct Archive {
  std::vector<std::pair<std::string, Array>> entries;  ///< in the order of the file; names are unique
  std::map<std::string, std::string> metadata;

  /// The array of this name, or nullptr.
  const Array* find(std::string_view name) const;

  bool operator==(const Archive&) const = default;
};

/// Bytes of one element of a safetensors dtype; 0 for a name that is not one.
size_t dtype_size(std::string_view dtype);

/// Product of shape × dtype_size(dtype); nullopt if a size is negative, the dtype unknown or the product
/// beyond 2⁶³−1.
std::optional<uint64_t> byte_count(const std::vector<int64_t>& shape, std::string_view dtype);

/// A name out of a file as it may stand in an error: control characters become '?', long names are cut.
std::string printable(std::string_view name);

/// The elements as float, each rounded to nearest: F32, F16, BF16, F64, I64 and I32. Throws Error for another
/// dtype and std::invalid_argument for an array whose bytes do not fit its shape.
std::vector<float> to_f32(const Array& array);

/// An F32 array in half the bytes: each element rounded to the nearest bfloat16, ties to even. NaN stays NaN.
/// Arrays of another dtype come back as they are.
Array to_bf16(const Array& array);

}  // namespace signet::models
