#pragma once
// What convolutions of bfloat16 activations do before the product.
//
// Tensor cores multiply bfloat16 as it lies in memory, copied 16 bytes at a time: 8 channels. Weights, which
// are floats, are rounded into the workspace first. Where channels are no multiple of 8 (colours, and the odd
// networks of tests), and on devices that do not multiply bfloat16, or are told not to (matrix_math), the
// activations are widened into the workspace instead, and the product is that of floats; only what it stores
// is rounded.

#include <array>

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/implicit_gemm.cuh"
#include "kernels/cuda/runtime.h"
#include "kernels/kernels.h"

namespace signet::cuda {

/// Whether activations with these numbers of channels, from which packs are read, are multiplied as bfloat16.
/// It depends on no pointer: prepared weights have a form of their own.
template <class... Channels>
bool multiplies_bf16(Channels... channels) {
  return implicit_gemm::usable_math() == MatrixMath::bf16 && ((channels % kPackOf<BFloat16> == 0) && ...);
}

/// The workspace in parts of so many bytes.
template <size_t kParts>
std::array<void*, kParts> divide_workspace(const int64_t (&bytes)[kParts]) {
  constexpr int64_t kAlignment = 256;
  std::array<int64_t, kParts> begins;
  int64_t end = 0;
  for (size_t i = 0; i < kParts; ++i) {
    begins[i] = ceil_div(end, kAlignment) * kAlignment;
    end = begins[i] + bytes[i];
  }
  auto* memory = static_cast<char*>(workspace(end));
  std::array<void*, kParts> parts;
  for (size_t i = 0; i < kParts; ++i) parts[i] = memory + begins[i];
  return parts;
}

constexpr int64_t float_bytes(int64_t count) {
  return count * int64_t(sizeof(float));
}
constexpr int64_t bf16_bytes(int64_t count) {
  return count * int64_t(sizeof(BFloat16));
}

/// n activations as floats, in memory for them.
inline const float* widened(void* memory, const BFloat16* x, int64_t n) {
  from_bf16(static_cast<float*>(memory), x, n);
  return static_cast<const float*>(memory);
}

/// n weights as bfloat16, in memory for them.
inline const BFloat16* narrowed(void* memory, const float* w, int64_t n) {
  to_bf16(static_cast<BFloat16*>(memory), w, n);
  return static_cast<const BFloat16*>(memory);
}

/// n activations where they can be read in packs: where they lie, as they do unless someone cut a tensor
/// between them, or in memory of so many bytes.
inline int64_t bytes_to_align(const BFloat16* x, int64_t n) {
  return allow_packs_of<kPackOf<BFloat16>>(x) ? 0 : bf16_bytes(n);
}
inline const BFloat16* aligned(void* memory, const BFloat16* x, int64_t n) {
  if (bytes_to_align(x, n) == 0) return x;
  copy_on_device(memory, x, bf16_bytes(n));
  return static_cast<const BFloat16*>(memory);
}

}  // namespace signet::cuda
