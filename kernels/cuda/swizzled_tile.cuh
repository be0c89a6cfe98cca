#pragma once
// Tiles of bfloat16 that tensor cores read from shared memory by themselves, past the threads: wgmma of sm_90
// (wgmma_tile.cuh) and tcgen05.mma of sm_100 (tcgen05_tile.cuh).
//
// Shared memory has to lie as they want it: in lines of 128 bytes, eight of which, aligned to 1024, have
// their units of 16 bytes permuted: unit ^ (line % 8).
//
//   row-major: a line is 64 steps of k of one row     column-major: a line is 64 rows at one k
//   line r                                            line k, and the next 64 rows behind all 64 lines
//
// So a tile is 64 steps deep, and as with ldmatrix neither operand is turned round in memory.
//
// Copies into it stay what they are for every other tile, cp.async of 16 bytes by all threads, although both
// architectures could also have TMA copy whole boxes of a tensor: one source gathers with any stride, padding
// and dilation, on every architecture. What cp.async writes has to pass fence_proxy_async before the tensor
// cores may read it.

#include "kernels/cuda/shared_tile.cuh"

namespace signet::cuda::implicit_gemm {

template <Layout kLayout, int kRows>
struct SharedTile<BFloat16, kLayout, kRows, 64> {
  static_assert(kRows % 64 == 0, "the swizzle permutes whole lines");
  static constexpr int kLine = 64;  // elements, 128 bytes

  /// Where element (r, k) stands. Eight neighbours along the contiguous axis stay together.
  __device__ __forceinline__ static int place(int r, int k) {
    if constexpr (kLayout == Layout::row_major) {
      return r * kLine + (k ^ r % 8 * 8);
    } else {
      return (r / 64 * 64 + k) * kLine + (r % 64 ^ k % 8 * 8);
    }
  }

  /// What wgmma is told of a tile that begins at `tile`, aligned to 1024 bytes, from row r (a multiple of 64)
  /// and the first step on. In the bits (PTX ISA 9.0, 9.7.15.5, matrix descriptor), all in units of 16 bytes:
  ///   0 .. 13   where it begins in shared memory
  ///   16 .. 29  leading dimension: from 64 rows to the next, column-major; not used row-major, and then 1
  ///   32 .. 45  stride dimension: from 8 lines to the next
  ///   62 .. 63  the permutation of units; 1 is that of lines of 128 bytes
  __device__ __forceinline__ static uint64_t descriptor(const BFloat16* tile, int r) {
    constexpr uint64_t kLeading = kLayout == Layout::row_major ? 1 : 64 * 128 / 16, kStride = 8 * 128 / 16;
    const uint32_t begin = ptx::shared_address(tile) + uint32_t(r) * kLine * uint32_t(sizeof(BFloat16));
    return begin / 16 | kLeading << 16 | kStride << 32 | uint64_t(1) << 62;
  }

  /// What tcgen05.mma is told of the whole tile: the same, but that bits 46 .. 48 say 1 (9.7.16.4.1, shared
  /// memory descriptor), and the permutation has one bit more, 61, in which this one has none.
  __device__ __forceinline__ static uint64_t tcgen05_descriptor(const BFloat16* tile) {
    return descriptor(tile, 0) | uint64_t(1) << 46;
  }

  /// What is added to a descriptor for the next 16 steps. The permutation goes by the address, so that units
  /// within a line are simply counted on.
  static constexpr uint64_t kNextSteps = kLayout == Layout::row_major ? 16 * 2 / 16 : 16 * 128 / 16;
};

}  // namespace signet::cuda::implicit_gemm
