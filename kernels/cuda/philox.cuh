#pragma once
// Draws of a Philox stream on the device. Draw i is word i % 4 of philox(key, i / 4), so that a pack of four
// costs one evaluation.

#include "kernels/cuda/elements.cuh"
#include "kernels/philox.h"

namespace signet::cuda {

/// The words of draws i .. i + kWidth - 1; i is a multiple of kWidth, which is 1 or 4.
template <int kWidth>
__device__ __forceinline__ Pack<uint32_t, kWidth> philox_draws(PhiloxKey key, int64_t i) {
  uint32_t words[4];
  philox_words(words, key, uint64_t(i) / 4);
  Pack<uint32_t, kWidth> draws;
  if constexpr (kWidth == 4) {
    for (int j = 0; j < 4; ++j) draws.v[j] = words[j];
  } else {
    // Chosen, not indexed: an index known only at run time would put the words into local memory.
    const uint32_t even = i & 2 ? words[2] : words[0], odd = i & 2 ? words[3] : words[1];
    draws.v[0] = i & 1 ? odd : even;
  }
  return draws;
}

}  // namespace signet::cuda
