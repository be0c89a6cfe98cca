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

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/shared_tile.cuh"

namespace signet::cuda::implicit_gemm {

template <class Tile, Layout kLayoutA, Layout kLayoutB>
class FfmaTile {
 public:
  static constexpr int kRows = Tile::kWarpRows / 8, kPacks = Tile::kWarpColumns / 16;
  static constexpr bool kAsynchronous = false, kCompiled = true;
  static constexpr int kOwnSharedBytes = 0;
  static_assert(Tile::kWarpRows % 32 == 0 && Tile::kWarpColumns % 32 == 0, "a lane owns 4 rows of each 32");

  /// Asked of the compiler: a multiprocessor's 12 warps may have 168 registers each. Where both operands are
  /// row-major a block of 4 x 4 is held whole before it is used, and 8 warps may have 255.
  static constexpr bool kBothRowMajor = kLayoutA == Layout::row_major && kLayoutB == Layout::row_major;
  static constexpr int kResidentBlocks = (kBothRowMajor ? 256 : 384) / Tile::kThreads;

  __device__ FfmaTile() {
#pragma unroll
    for (auto& row : sum_) {
#pragma unroll
      for (float& value : row) value = 0;
    }
  }

  /// Adds the product of a stage's tiles, which begin at `a_tile` and `b_tile` of the shared memory.
  __device__ __forceinline__ void multiply(const float* shared, int a_tile, int b_tile) {
    const int a_origin = a_tile + A::place(place_.row + 4 * place_.g, 0);
    const int b_origin = b_tile + B::place(place_.column + 4 * place_.t, 0);
    for_constants<Tile::kDepth / 4>([&]<int kIndex>(Constant<kIndex>) {
      constexpr int kStep = 4 * kIndex;
      float b[kPacks][4][4];
      for_constants<kPacks>([&]<int kPack>(Constant<kPack>) {
        B::template read<16 * kPack, kStep>(b[kPack], shared, b_origin);
      });
      // Four rows at a time: all of them at once would not leave room for the sums.
      for_constants<kRows / 4>([&]<int kFour>(Constant<kFour>) {
        float a[4][4];
        A::template read<32 * kFour, kStep>(a, shared, a_origin);
#pragma unroll
        for (int step = 0; step < 4; ++step) {
#pragma unroll
          for (int i = 0; i < 4; ++i) {
#pragma unroll
            for (int j = 0; j < 4 * kPacks; ++j) {
              float& sum = sum_[4 * kFour + i][j];
              sum = fmaf(a[i][step], b[j / 4][j % 4][step], sum);
            }
          }
        }
      });
    });
  }

  /// The row of C's tile that this thread's row i is, and the first of the four columns of its pack.
  __device__ int row(int i) const {
    return place_.row + 32 * (i / 4) + 4 * place_.g + i % 4;
  }
  __device__ int column(int pack) const {
    return place_.column + 16 * pack + 4 * place_.t;
  }

  __device__ __forceinline__ Pack<float, 4> pack(int i, int pack) const {
    const float* four = sum_[i] + 4 * pack;
    return {four[0], four[1], four[2], four[3]};
  }

 private:
  using A = SharedTile<float, kLayoutA, Tile::kRows, Tile::kDepth>;
  using B = SharedTile<float, kLayoutB, Tile::kColumns, Tile::kDepth>;

  WarpPlace<Tile> place_;
  float sum_[kRows][4 * kPacks];
};

}  // namespace signet::cuda::implicit_gemm
