#pragma once
// Convolutions of bfloat16: in pairs on processors that multiply them (AVX512-BF16), widened to float
// elsewhere.

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/scratch.h"
#include "kernels/kernels.h"

namespace signet::cpu {

/// Whether the instruction set in use multiplies pairs of bfloat16 and rounds to it.
bool has_bf16_products();

/// Calls body(first, part, x, y) for a few images at a time, from `first` on: `part` is the shape with these
/// alone, x and y memory for part.in_size() and part.out_size() floats, which fit into a cache.
template <class Body>
void for_few_images(const Conv2dShape& shape, const Body& body) {
  constexpr int64_t kFloats = int64_t{1} << 19;
  Conv2dShape part = shape;
  part.batch = 1;
  const int64_t image = part.in_size() + part.out_size();
  const int64_t group = std::clamp<int64_t>(kFloats / (image + 1), 1, std::max<int64_t>(1, shape.batch));
  float* memory = scratch(Scratch::widened, group * image);
  for (int64_t first = 0; first < shape.batch; first += group) {
    part.batch = std::min(group, shape.batch - first);
    body(first, part, memory, memory + part.in_size());
  }
}

}  // namespace signet::cpu
