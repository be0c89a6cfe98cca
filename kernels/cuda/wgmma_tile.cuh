#pragma once
// The part of a product of bfloat16 that a warpgroup, four warps, computes on the tensor cores of sm_90:
// wgmma m64nNk16, sums in float.
//
// mma.sync leaves part of these tensor cores idle; all of them work for wgmma only. It reads both matrices
// from shared memory by itself, while the threads go on, and shared memory has to lie as it wants: in lines
// of 128 bytes, eight of which, aligned to 1024, have their units of 16 bytes permuted: unit ^ (line % 8).
//
//   row-major: a line is 64 steps of k of one row     column-major: a line is 64 rows at one k
//   line r                                            line k, and the next 64 rows behind all 64 lines
//
// So a tile is 64 steps deep, and as with ldmatrix neither operand is turned round in memory. Two warpgroups
// share a tile of 128 rows, each with 64 of them and all the columns.
//
// Copies into shared memory stay what they are for every other tile, cp.async of 16 bytes by all threads,
// although sm_90 could also have TMA copy whole boxes of a tensor: one source gathers with any stride,
// padding and dilation, on every architecture. What cp.async writes has to pass fence_proxy_async before
// wgmma may read it.
//
// An element sums over k in groups of 16 in ascending order whatever tile it stands in, so its bits depend on
// its row and column of the matrices alone. How a card adds up within a group is its own affair: mma.sync on
// the same card may round otherwise.

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/ldmatrix_tile.cuh"
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

  /// What is added to a descriptor for the next 16 steps. The permutation goes by the address, so that units
  /// within a line are simply counted on.
  static constexpr uint64_t kNextSteps = kLayout == Layout::row_major ? 16 * 2 / 16 : 16 * 128 / 16;
};

template <class Tile, Layout kLayoutA, Layout kLayoutB>
class WgmmaTile {
 public:
  static constexpr int kRows = 2, kPacks = Tile::kColumns / 16;
  static constexpr bool kAsynchronous = true;

  /// Asked of the compiler: while one block waits for its copies, the tensor cores multiply another's.
  static constexpr int kResidentBlocks = 2;

  /// Starts to add the product of a stage's tiles, which begin at `a_tile` and `b_tile` of the shared memory.
  /// Neither they nor the sums may be touched before wgmma_wait(sums()).
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

  __device__ auto& sums() { return sum_; }

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
