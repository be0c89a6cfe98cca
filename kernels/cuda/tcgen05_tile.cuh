#pragma once
// The part of a product of bfloat16 that a block computes on the tensor cores of sm_100: tcgen05.mma, of 64
// or 128 rows, 64 or 128 columns and 16 steps at a time, sums in float.
//
// One thread starts a product for the whole block. Both matrices are read from shared memory, as by wgmma
// (swizzled_tile.cuh), but the sums are in no thread's registers: they stay in tensor memory, 128 lanes of
// 512 columns a multiprocessor, of which a block allocates as many columns as its tile has. In the end warps
// read them. Who waits for whom:
//
//   all threads      copies have arrived, fence_proxy_async, barrier: shared memory may be read
//   one of warp 0    after_thread_sync; products, in order; commit: the mbarrier's phase ends with them
//   all threads      mbarrier: the stage may be overwritten; after the last step, the sums be read
//   all threads      after_thread_sync, ld, wait::ld, before_thread_sync, barrier
//   warp 0           deallocates the columns
//
// A lane of tensor memory is a row of C. A warp may read a quarter of the lanes, that of its number % 4, and
// of these 16 at a time in the layout that mma.sync gives D (ld.16x256b): so a pack is stored as by the other
// tiles, and four lanes of a warp fill a sector of bfloat16. With ld.32x32b a thread would have a row to
// itself, and a warp's stores would begin 32 sectors. 64 rows take the first 16 lanes of each quarter.
//
// An element sums over k in groups of 16 in ascending order whatever tile it stands in, so its bits depend on
// its row and column of the matrices alone. How a card adds up within a group is its own affair: mma.sync on
// the same card may round otherwise.

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/ldmatrix_tile.cuh"
#include "kernels/cuda/swizzled_tile.cuh"

namespace signet::cuda::implicit_gemm {

template <class Tile, Layout kLayoutA, Layout kLayoutB>
class Tcgen05Tile {
 public:
  static constexpr int kRows = Tile::kWarpRows / 8, kPacks = Tile::kWarpColumns / 16;
  static constexpr bool kAsynchronous = true, kCompiled = ptx::kHasTcgen05;

  /// Asked of the compiler: while one block waits for its copies, the tensor cores multiply another's.
  static constexpr int kResidentBlocks = 2;

 private:
  /// What stands in shared memory behind the stages.
  struct Own {
    uint64_t finished;  ///< mbarrier, a phase a step
    uint32_t sums;      ///< where they begin in tensor memory: lane << 16 | column
  };

 public:
  static constexpr int kOwnSharedBytes = int(sizeof(Own));

  /// All threads of the block call it. They may use what it makes after the block's next barrier. The right
  /// to allocate is given up at once: blocks that become resident later need it.
  __device__ __forceinline__ Tcgen05Tile() {
    if (threadIdx.x < 32) {
      ptx::tcgen05_alloc(&own().sums, Tile::kColumns);
      ptx::tcgen05_relinquish();
    }
    if (threadIdx.x == 0) ptx::mbarrier_init(&own().finished, 1);
  }

  /// Starts to add the product of a stage's tiles, which begin at `a_tile` and `b_tile` of the shared memory.
  /// They may not be touched before wait().
  __device__ __forceinline__ void multiply(const BFloat16* shared, int a_tile, int b_tile) {
    if (threadIdx.x < 32 && ptx::elect_one()) {
      const uint64_t a = A::tcgen05_descriptor(shared + a_tile), b = B::tcgen05_descriptor(shared + b_tile);
      const uint32_t sums = own().sums;
      ptx::tcgen05_fence_after();
      for_constants<Tile::kDepth / 16>([&]<int kIndex>(Constant<kIndex>) {
        ptx::tcgen05_mma_bf16(sums, a + kIndex * A::kNextSteps, b + kIndex * B::kNextSteps, kInstruction,
                              kIndex > 0 || steps_ > 0);
      });
      ptx::tcgen05_commit(&own().finished);
    }
    ++steps_;
  }

  /// For what multiply has started, by all threads.
  __device__ __forceinline__ void wait() {
    if (steps_ > 0) ptx::mbarrier_wait(&own().finished, (steps_ - 1) % 2);
  }

  /// After the last step, by all threads: fetches the sums.
  __device__ __forceinline__ void finish() {
    if (steps_ > 0) {
      wait();
      ptx::tcgen05_fence_after();
      const uint32_t quarter = threadIdx.x / 32 % 4,
                     from = own().sums + (quarter << 21) + uint32_t(place_.column);
#pragma unroll
      for (int i = 0; i < kRows / 2; ++i) ptx::tcgen05_ld(sum_[i], from + (uint32_t(i) << 20));
#pragma unroll
      for (int i = 0; i < kRows / 2; ++i) ptx::tcgen05_wait_ld(sum_[i]);
      ptx::tcgen05_fence_before();
    }
    __syncthreads();
    if (threadIdx.x < 32) ptx::tcgen05_dealloc(own().sums, Tile::kColumns);
  }

  /// The row of C's tile that this thread's row i is, and the first of the four columns of its pack: those of
  /// LdmatrixTile.
  __device__ int row(int i) const {
    return place_.row + 8 * i + place_.g;
  }
  __device__ int column(int pack) const {
    return place_.column + 16 * pack + 8 * (place_.t % 2) + 4 * (place_.t / 2);
  }

  /// All lanes of the warp call it.
  __device__ __forceinline__ Pack<float, 4> pack(int i, int pack) const {
    const float* both = sum_[i / 2] + 8 * pack + 2 * (i % 2);
    return exchange_pairs(both, both + 4, place_.t);
  }

 private:
  using A = SharedTile<BFloat16, kLayoutA, Tile::kRows, Tile::kDepth>;
  using B = SharedTile<BFloat16, kLayoutB, Tile::kColumns, Tile::kDepth>;
  static_assert(Tile::kWarpsAlongRows == 4, "a warp has the rows of the lanes that it may read");
  static_assert(Tile::kRows == 64 || Tile::kRows == 128, "what an instruction multiplies");
  static_assert((228 << 10) / Tile::kSharedBytes * Tile::kColumns <= 512,
                "no block waits for the columns of those that share its multiprocessor");

  /// What the instruction is told beside the matrices (PTX ISA 9.0, 9.7.16.4.2, instruction descriptor):
  ///   4 .. 5    sums in float: 1          15, 16    A, B column-major
  ///   7 .. 9    A in bfloat16: 1          17 .. 22  columns / 8
  ///   10 .. 12  B in bfloat16: 1          24 .. 28  rows / 16
  static constexpr uint32_t kInstruction =
      1u << 4 | 1u << 7 | 1u << 10 | uint32_t(kLayoutA == Layout::column_major) << 15 |
      uint32_t(kLayoutB == Layout::column_major) << 16 | uint32_t(Tile::kColumns / 8) << 17 |
      uint32_t(Tile::kRows / 16) << 24;

  __device__ static Own& own() {
    return *reinterpret_cast<Own*>(dynamic_shared<unsigned char>() + Tile::kSharedBytes);
  }

  WarpPlace<Tile> place_;
  int steps_ = 0;
  float sum_[kRows / 2][Tile::kWarpColumns / 2] = {};  // 16 rows each
};

}  // namespace signet::cuda::implicit_gemm
