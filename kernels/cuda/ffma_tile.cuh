#pragma once
// The part of a product that one thread computes in float, by fused multiply-adds.
//
// Of each 32 rows of its warp a thread owns rows 4 g .. 4 g + 3, of each 16 columns the columns 4 t .. 4 t +
// 3:
//
//             t=0   t=1   t=2   t=3            For every 4 steps of k it reads 4 x 4 blocks of its rows and
//            ┌─────┬─────┬─────┬─────┐         columns. With 8 x 8 elements that is 16 reads of 16 bytes for
//        g=0 │ 4x4 │ 4x4 │ 4x4 │ 4x4 │         256 FMA.
//        g=1 │     │     │     │     │
//        ... │     │     │     │     │         An element sums over k in ascending order, in one accumulator:
//        g=7 │     │     │     │     │         its bits do not depend on the tile it stands in.
//            └─────┴─────┴─────┴─────┘

#include "kernels/cuda/shared_tile.cuh"

namespace signet::cuda::implicit_gemm {

template <class Tile, Layout kLayoutA, Layout kLayoutB>
class FfmaTile {
 public:
  static constexpr int kRows = Tile::kWarpRows / 8, kPacks = Tile::kWarpColumns / 16;

  __device__ FfmaTile() {
#pragma unroll
    for (auto& row : sum_) {
#pragma unroll
      for (float& value : row) value = 0;
    }
  }

  /// Adds the product of a stage's tiles.
  __device__ __forceinline__ void multiply(const float* a_tile, const float* b_tile) {
    using A = SharedTile<kLayoutA, Tile::kRows, Tile::kDepth>;
    using B = SharedTile<kLayoutB, Tile::kColumns, Tile::kDepth>;
#pragma unroll
    for (int k = 0; k < Tile::kDepth; k += 4) {
      float a[kRows / 4][4][4], b[kPacks][4][4];
#pragma unroll
      for (int i = 0; i < kRows / 4; ++i) A::read(a[i], a_tile, place_.row + 32 * i + 4 * place_.g, k);
#pragma unroll
      for (int j = 0; j < kPacks; ++j) B::read(b[j], b_tile, place_.column + 16 * j + 4 * place_.t, k);
#pragma unroll
      for (int step = 0; step < 4; ++step) {
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
#pragma unroll
          for (int j = 0; j < 4 * kPacks; ++j)
            sum_[i][j] = fmaf(a[i / 4][i % 4][step], b[j / 4][j % 4][step], sum_[i][j]);
        }
      }
    }
  }

  /// The row of C's tile that this thread's row i is, and the first of the four columns of its pack.
  __device__ int row(int i) const {
    return place_.row + 32 * (i / 4) + 4 * place_.g + i % 4;
  }
  __device__ int column(int pack) const {
    return place_.column + 16 * pack + 4 * place_.t;
  }

  __device__ __forceinline__ float4 pack(int i, int pack) const {
    const float* four = sum_[i] + 4 * pack;
    return make_float4(four[0], four[1], four[2], four[3]);
  }

 private:
  WarpPlace<Tile> place_;
  float sum_[kRows][4 * kPacks];
};

}  // namespace signet::cuda::implicit_gemm
