#pragma once
// The part of a product that one warp computes on tensor cores where memory holds bfloat16: mma.sync
// m16n8k16, sums in float.
//
// The elements are 16 bits wide in shared memory too, so ldmatrix hands them out as the instruction wants
// them: 16 rows of A, or 16 columns of B, by 16 steps at once, of a column-major tile transposed on the way.
// Rows, columns and steps are the matrices' own. D gives lane t of a row columns 2t and 2t + 1 of each 8; two
// lanes exchange a pair, and each has four neighbours to store:
//
//   one row of 16 columns of C   | 0 1 | 2 3 | 4 5 | 6 7 | 8 9 | 10 11 | 12 13 | 14 15
//   lane t, of D                 |  0     1     2     3  |  0     1       2       3
//   lane t, of a pack            |     0     |     2     |      1      |       3
//
// An element sums over k in groups of 16 in ascending order whatever tile it stands in, so its bits depend on
// its row and column of the matrices alone. Products of bfloat16 are exact in float; mma_tile.cuh has the
// bound of the error where operands were rounded to it.

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/shared_tile.cuh"

namespace signet::cuda::implicit_gemm {

/// Four neighbours of a row, of which D has given lane t two: `low` in the first 8 of 16 columns, `high` in
/// the others. All lanes of the warp call it.
__device__ __forceinline__ Pack<float, 4> exchange_pairs(const float* low, const float* high, int t) {
  const bool odd = t % 2 != 0;
  const float first = shuffle_xor(odd ? low[0] : high[0], 1), second = shuffle_xor(odd ? low[1] : high[1], 1);
  if (odd) return {first, second, high[0], high[1]};
  return {low[0], low[1], first, second};
}

template <class Tile, Layout kLayoutA, Layout kLayoutB>
class LdmatrixTile {
 public:
  static constexpr int kRows = Tile::kWarpRows / 8, kPacks = Tile::kWarpColumns / 16;
  static constexpr bool kAsynchronous = false, kCompiled = true;
  static constexpr int kOwnSharedBytes = 0;

  /// Asked of the compiler, which needs no limit to leave room for two blocks.
  static constexpr int kResidentBlocks = 1;

  /// Adds the product of a stage's tiles, which begin at `a_tile` and `b_tile` of the shared memory.
  __device__ __forceinline__ void multiply(const BFloat16* shared, int a_tile, int b_tile) {
    const int a_origin = a_tile + A::origin(place_.row), b_origin = b_tile + B::origin(place_.column);
    for_constants<Tile::kDepth / 16>([&]<int kIndex>(Constant<kIndex>) {
      constexpr int kStep = 16 * kIndex;
      uint32_t b[kPacks][4];
      for_constants<kPacks>([&]<int kPack>(Constant<kPack>) {
        B::template read<16 * kPack, kStep>(b[kPack], shared, b_origin);
      });
      for_constants<kRows / 2>([&]<int kPair>(Constant<kPair>) {
        uint32_t a[4];
        A::template read<16 * kPair, kStep>(a, shared, a_origin);
#pragma unroll
        for (int j = 0; j < kPacks; ++j) {
#pragma unroll
          for (int half = 0; half < 2; ++half)
            ptx::mma_bf16_16x8x16(sum_[kPair][2 * j + half], a, {b[j][half], b[j][half + 2]});
        }
      });
    });
  }

  /// The row of C's tile that this thread's row i is, and the first of the four columns of its pack.
  __device__ int row(int i) const {
    return place_.row + 8 * i + place_.g;
  }
  __device__ int column(int pack) const {
    return place_.column + 16 * pack + 8 * (place_.t % 2) + 4 * (place_.t / 2);
  }

  /// All lanes of the warp call it.
  __device__ __forceinline__ Pack<float, 4> pack(int i, int pack) const {
    const auto* both = sum_[i / 2] + 2 * pack;
    return exchange_pairs(both[0] + 2 * (i % 2), both[1] + 2 * (i % 2), place_.t);
  }

 private:
  using A = SharedTile<BFloat16, kLayoutA, Tile::kRows, Tile::kDepth>;
  using B = SharedTile<BFloat16, kLayoutB, Tile::kColumns, Tile::kDepth>;

  WarpPlace<Tile> place_;
  float sum_[kRows / 2][2 * kPacks][4] = {};  // a product of 16 x 8 each
};

}  // namespace signet::cuda::implicit_gemm
