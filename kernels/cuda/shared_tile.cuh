#pragma once
// Tiles of a matrix product in shared memory, and the one way they are read.
//
// Of C [m, n] = A [m, k] B [k, n] a tile holds kRows rows of A, or kRows columns of B, which are called rows
// too, by kDepth steps of k. Copies of 16 bytes keep whatever order the operand has in memory, so a tile may
// be
//   row-major     [row][k]  (activations by pixel and channel, OHWI weights by output channel)
//   column-major  [k][row]  (both operands of a weight gradient, B of a plain A B)
//
// Every reader of floats, FFMA or tensor core, takes blocks of 4 rows x 4 steps: four 16-byte reads along
// whichever axis is contiguous; the transposition is a renaming of registers. A quarter-warp (8 lanes, the
// unit in which shared memory serves 16-byte reads) has two values of g = lane / 4 and four of t = lane % 4.
// Four patterns occur:
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
//
// Of bfloat16 a unit holds 8 elements, and the reader is ldmatrix: 16 rows x 16 steps as four matrices of 8 x
// 8, each of which is 8 units that are read at once, one from each of 8 neighbouring lines of the contiguous
// axis. Where these units go:
//
//   row-major, kDepth = 32 (two rows share a line):   column-major (a line is 64 rows at one k):
//   unit ^ (r / 2 % 4)                                unit ^ (k % 8)
//
//   r = 0, 1   0 1 2 3 | 0 1 2 3                      k = 0   0 1 2 3 4 5 6 7
//   r = 2, 3   1 0 3 2 | 1 0 3 2                      k = 1   1 0 3 2 5 4 7 6
//   r = 4, 5   2 3 0 1 | 2 3 0 1                      k = 2   2 3 0 1 6 7 4 5
//   r = 6, 7   3 2 1 0 | 3 2 1 0                      ...
//   unit 0 of rows 0 .. 7: all 8 banks                k = 7   7 6 5 4 3 2 1 0
//                                                     unit 0 of k = 0 .. 7: all 8 banks

#include <type_traits>
#include <utility>

#include "kernels/bf16.h"
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

template <class Element, Layout kLayout, int kRows, int kDepth>
struct SharedTile;

template <Layout kLayout, int kRows, int kDepth>
struct SharedTile<float, kLayout, kRows, kDepth> {
  static_assert(kRows % 32 == 0 && kDepth % 16 == 0 && kDepth <= 32, "the swizzle permutes whole lines");

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

template <Layout kLayout, int kRows, int kDepth>
struct SharedTile<BFloat16, kLayout, kRows, kDepth> {
  static_assert(kRows % 64 == 0 && kDepth == 32, "the swizzle permutes whole lines");

  /// Where element (r, k) stands. Eight neighbours along the contiguous axis stay together.
  __device__ __forceinline__ static int place(int r, int k) {
    if constexpr (kLayout == Layout::row_major) {
      return r * kDepth + (k ^ r / 2 % 4 * 8);
    } else {
      return k * kRows + (r ^ k % 8 * 8);
    }
  }

  /// Where the unit begins that this lane tells ldmatrix of, for rows r .. r + 15 of the first 16 steps: lane
  /// 8 i + j has line j of matrix i. Matrices 1 and 3 are 8 rows on, 2 and 3 are 8 steps on.
  __device__ __forceinline__ static int origin(int r) {
    const int matrix = int(threadIdx.x) % 32 / 8, line = int(threadIdx.x) % 8;
    const int row = r + matrix % 2 * 8, k = matrix / 2 * 8;
    return kLayout == Layout::row_major ? place(row + line, k) : place(row, k + line);
  }

  /// The fragments of the 16 rows from r + kRow on and the 16 steps from kStep on, given origin(r) plus where
  /// the tile begins in `shared`, a multiple of 64: registers 0 and 1 hold steps 2t and 2t + 1 of rows g and
  /// g + 8, 2 and 3 steps 2t + 8 and 2t + 9. kRow is a multiple of 16 that has no bit in common with r, and
  /// kStep of 16. As for floats, the exclusive-or can be taken last.
  template <int kRow, int kStep>
  __device__ __forceinline__ static void read(uint32_t (&fragments)[4], const BFloat16* shared, int origin) {
    if constexpr (kLayout == Layout::row_major) {
      ptx::ldmatrix_x4(fragments, shared + (origin ^ kStep) + kRow * kDepth);
    } else {
      ptx::ldmatrix_x4_transposed(fragments, shared + (origin ^ kRow) + kStep * kRows);
    }
  }
};

/// How a block of threads divides a tile of C: warps of kWarpRows x kWarpColumns, kStages tiles of A and B in
/// flight, each kDepth steps deep.
template <class T, int kBlockRows, int kBlockColumns, int kBlockDepth, int kRowsOfWarp, int kColumnsOfWarp,
          int kPipeline>
struct Tile {
  using Element = T;
  static constexpr int kRows = kBlockRows, kColumns = kBlockColumns, kDepth = kBlockDepth,
                       kStages = kPipeline;
  static constexpr int kWarpRows = kRowsOfWarp, kWarpColumns = kColumnsOfWarp;
  static constexpr int kWarpsAlongRows = kRows / kWarpRows,
                       kWarps = kWarpsAlongRows * (kColumns / kWarpColumns);
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kStageElements = (kRows + kColumns) * kDepth;
  static constexpr int kSharedBytes = kStages * kStageElements * int(sizeof(Element));
  static_assert(kRows % kWarpRows == 0 && kColumns % kWarpColumns == 0, "whole warps");
  static_assert(kSharedBytes <= 99 << 10, "what a block may have on sm_86 and sm_89");
};

/// The place of this thread's warp in the block's tile, and of the lane in the warp.
template <class Tile>
struct WarpPlace {
  static_assert(Tile::kWarpRows % 16 == 0 && Tile::kWarpColumns % 16 == 0, "whole instructions");

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
