#pragma once
// The part of a product of bfloat16 that a warpgroup, four warps, computes on the tensor cores of sm_90:
// wgmma m64nNk16, sums in float.
//
// mma.sync leaves part of these tensor cores idle; all of them work for wgmma only. It reads both matrices
// from shared memory by itself, while the threads go on (swizzled_tile.cuh). Two warpgroups share a tile of
// 128 rows, each with 64 of them and all the columns.
//
// An element sums over k in groups of 16 in ascending order whatever tile it stands in, so its bits depend on
// its row and column of the matrices alone. How a card adds up within a group is its own affair: mma.sync on
// the same card may round otherwise.

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/ldmatrix_tile.cuh"
#include "kernels/cuda/swizzled_tile.cuh"

namespace signet::cuda::implicit_gemm {

template <class Tile, Layout kLayoutA, Layout kLayoutB>
class WgmmaTile {
 public:
  static constexpr int kRows = 2, kPacks = Tile::kColumns / 16;
  static constexpr bool kAsynchronous = true, kCompiled = ptx::kHasWgmma;
  static constexpr int kOwnSharedBytes = 0;

  /// Asked of the compiler: while one block waits for its copies, the tensor cores multiply another's.
  static constexpr int kResidentBlocks = 2;

  /// Starts to add the product of a stage's tiles, which begin at `a_tile` and `b_tile` of the shared memory.
  /// They may not be touched before wait(), nor the sums be read before finish().
  __device__ __forceinline__ void multiply(const BFloat16* shared, int a_tile, int b_tile) {
    const uint64_t a = A::descriptor(shared + a_tile, int(threadIdx.x) / 128 * 64),
                   b = B::descriptor(shared + b_tile, 0);
    ptx::wgmma_fence(sum_);
    for_constants<Tile::kDepth / 16>([&]<int kIndex>(Constant<kIndex>) {
      ptx::wgmma_bf16<kLayoutA == Layout::column_major, kLayoutB == Layout::column_major>(
          sum_, a + kIndex * A::kNextSteps, b + kIndex * B::kNextSteps);
    });
    ptx::wgmma_commit();
  }

  /// For what multiply has started.
  __device__ __forceinline__ void wait() { ptx::wgmma_wait<0>(sum_); }

  /// After the last step.
  __device__ __forceinline__ void finish() { wait(); }

  /// The row of C's tile that this thread's row i is, and the first of the four columns of its pack: those of
  /// LdmatrixTile, since D has the layout of eight columns of mma.sync, again and again.
  __device__ int row(int i) const { return place_.row + 8 * i + place_.g; }
  __device__ int column(int pack) const {
    return place_.column + 16 * pack + 8 * (place_.t % 2) + 4 * (place_.t / 2);
  }

  /// All lanes of the warp call it.
  __device__ __forceinline__ Pack<float, 4> pack(int i, int pack) const {
    return exchange_pairs(sum_ + 8 * pack + 2 * i, sum_ + 8 * pack + 4 + 2 * i, place_.t);
  }

 private:
  using A = SharedTile<BFloat16, kLayoutA, Tile::kRows, Tile::kDepth>;
  using B = SharedTile<BFloat16, kLayoutB, Tile::kColumns, Tile::kDepth>;
  static_assert(Tile::kWarpRows == 16 && Tile::kWarpColumns == Tile::kColumns && Tile::kWarps % 4 == 0,
                "a warp has 16 of its warpgroup's 64 rows, and all columns");

  WarpPlace<Tile> place_;
  float sum_[Tile::kColumns / 2] = {};
};

}  // namespace signet::cuda::implicit_gemm
