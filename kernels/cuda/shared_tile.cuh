#pragma once
// Tiles of a matrix product in shared memory, and the one way they are read.
//
// Of C [m, n] = A [m, k] B [k, n] a tile holds kRows rows of A, or kRows columns of B, which are called rows
// too, by kDepth steps of k. Copies of 16 bytes keep whatever order the operand has in memory, so a tile may
// be
//   row-major     [row][k]  (activations by pixel and channel, OHWI weights by output channel)
//   column-major  [k][row]  (both operands of a weight gradient, B of a plain A B)
//
// Every reader, FFMA or tensor core, takes blocks of 4 rows x 4 steps: four 16-byte reads along whichever
// axis is contiguous; the transposition is a renaming of registers. A quarter-warp (8 lanes, the unit in
// which shared memory serves 16-byte reads) has two values of g = lane / 4 and four of t = lane % 4. Four
// patterns occur:
//   A of FFMA            rows 4 g ..                        k the same for all
//   B of FFMA            rows 4 t ..                        k the same for all
//   A and B of the       rows 16 (g % 2) + 4 (g / 2) ..     k = 4 t ..
//   tensor cores
//
// Shared memory has 8 banks of 16 bytes (a "line" is 128 bytes). The swizzle permutes the units of 16 bytes
// in a line so that those which the 8 lanes ask for at once lie in different banks, and so do the ones they
// write. Where the units of a line go:
//
//   row-major, kDepth = 32 (a line is a row):         column-major (a line is 32 rows at one k):
//   unit ^ (r / 4 % 8)                                unit ^ (k / 4 % 4)
//
//   r =  0 ..  3   0 1 2 3 4 5 6 7  <- g = 0          k =  0 ..  3   0 1 2 3 4 5 6 7  <- t = 0
//   r =  4 ..  7   1 0 3 2 5 4 7 6                    k =  4 ..  7   1 0 3 2 5 4 7 6  <- t = 1
//   r =  8 .. 11   2 3 0 1 6 7 4 5                    k =  8 .. 11   2 3 0 1 6 7 4 5  <- t = 2
//   r = 12 .. 15   3 2 1 0 7 6 5 4                    k = 12 .. 15   3 2 1 0 7 6 5 4  <- t = 3
//   r = 16 .. 19   4 5 6 7 0 1 2 3  <- g = 1
//   ...            units 0 .. 3 of rows 0 and 16:     units 0 and 4 (rows 0 .. and 16 ..) of four lines:
//                  all 8 banks                        all 8 banks
//
// With kDepth = 16 two rows share a line, and the same exclusive-or is applied to the unit within it.

#include <type_traits>
#include <utility>

#include "kernels/cuda/platform.cuh"

namespace signet::cuda::implicit_gemm {

/// A number as a type, and a loop over such numbers, for what has to be known to the compiler.
template <int kValue>
using Constant = std::integral_constant<int, kValue>;

template <int kCount, class Body>
__device__ __forceinline__ void for_constants(const Body& body) {
  [&]<int... kIndex>(std::integer_sequence<int, kIndex...>) {
    (body(Constant<kIndex>()), ...);
  }
  (std::make_integer_sequence<int, kCount>());
}

enum class Layout { row_major, column_major };

template <Layout kLayout, int kRows, int kDepth>
struct SharedTile {
  static_assert(kRows % 32 == 0 && kDepth % 16 == 0 && kDepth <= 32, "the swizzle permutes whole lines");
  static constexpr int kFloats = kRows * kDepth;

  /// Where element (r, k) stands. Four neighbours along the contiguous axis stay together.
  __device__ __forceinline__ static int place(int r, int k) {
    if constexpr (kLayout == Layout::row_major) {
      const int unit = r * (kDepth / 4) + k / 4;
      return (unit ^ (r / 4 % 8)) * 4 + k % 4;
    } else {
      return k * kRows + (r ^ (k / 4 % 4 * 4));
    }
  }

  /// block[i][j] = element (r + kRow + i, k + kStep + j) of a tile, given origin = place(r, k) plus where the
  /// tile begins in `shared`, a multiple of 32. kRow is a multiple of 16; r, k and kStep are multiples of 4,
  /// and neither r and kRow nor k and kStep have a bit in common below 32. Then the swizzle's exclusive-or
  /// can be taken last, with a constant: all reads of a thread start from one register, not from one for each
  /// place of the pattern.
  template <int kRow, int kStep, class Block>
  __device__ __forceinline__ static void read(Block& block, const float* shared, int origin) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if constexpr (kLayout == Layout::row_major) {
        const int units = i * (kDepth / 4) + kStep / 4, turn = units % 8 ^ kRow / 4 % 8;
        const float* from = shared + (origin ^ turn * 4) + units / 8 * 32 + kRow * kDepth;
        const float4 line = *reinterpret_cast<const float4*>(from);
        block[i][0] = line.x, block[i][1] = line.y, block[i][2] = line.z, block[i][3] = line.w;
      } else {
        const float* from = shared + (origin ^ kStep / 4 % 4 * 4) + (kStep + i) * kRows + kRow;
        const float4 line = *reinterpret_cast<const float4*>(from);
        block[0][i] = line.x, block[1][i] = line.y, block[2][i] = line.z, block[3][i] = line.w;
      }
    }
  }
};

/// How a block of threads divides a tile of C: warps of kWarpRows x kWarpColumns, kStages tiles of A and B in
/// flight, each kDepth steps deep.
template <int kBlockRows, int kBlockColumns, int kBlockDepth, int kRowsOfWarp, int kColumnsOfWarp,
          int kPipeline>
struct Tile {
  static constexpr int kRows = kBlockRows, kColumns = kBlockColumns, kDepth = kBlockDepth,
                       kStages = kPipeline;
  static constexpr int kWarpRows = kRowsOfWarp, kWarpColumns = kColumnsOfWarp;
  static constexpr int kWarpsAlongRows = kRows / kWarpRows,
                       kWarps = kWarpsAlongRows * (kColumns / kWarpColumns);
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kStageFloats = (kRows + kColumns) * kDepth;
  static constexpr int kSharedBytes = kStages * kStageFloats * int(sizeof(float));
  static_assert(kRows % kWarpRows == 0 && kColumns % kWarpColumns == 0, "whole warps");
  static_assert(kWarpRows % 32 == 0 && kWarpColumns % 32 == 0, "a lane owns 4 rows of each 32");
  static_assert(kSharedBytes <= 99 << 10, "what a block may have on sm_86 and sm_89");
};

/// The place of this thread's warp in the block's tile, and of the lane in the warp.
template <class Tile>
struct WarpPlace {
  int row, column;  // of the warp's first element
  int g, t;         // lane / 4, lane % 4

  __device__ WarpPlace() {
    const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    row = warp % Tile::kWarpsAlongRows * Tile::kWarpRows;
    column = warp / Tile::kWarpsAlongRows * Tile::kWarpColumns;
    g = lane / 4;
    t = lane % 4;
  }
};

}  // namespace signet::cuda::implicit_gemm
