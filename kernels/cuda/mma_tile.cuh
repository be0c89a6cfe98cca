#pragma once
// The part of a product that one warp computes on tensor cores, by mma.sync m16n8k8 (TF32) or m16n8k16
// (bf16), with sums in float.
//
// The instruction fixes which lane holds which element of its 16 x 8 (x 16) product, but not which row,
// column or step of the matrices those elements are: any order will do, as long as A and B agree on k, and
// the reader of D on rows and columns. The order here is the one in which a lane's elements are neighbours in
// shared memory:
//
//   k      Of 16 steps lane t owns 4 t .. 4 t + 3: one 16-byte read.
//          bf16: they stand for the instruction's steps {2t, 2t+1, 2t+8, 2t+9}.
//          TF32: two instructions; the first has 4 t and 4 t + 1 for its steps {t, t+4}, the second the other
//          two.
//   rows   Of 32 rows lane g owns the four from 16 (g % 2) + 4 (g / 2) on: they stand for rows g and g + 8 of
//   two
//          instructions.
//   cols   Of 32 columns lane g owns the four from 16 (g % 2) + 4 (g / 2) on: they stand for column g of four
//          instructions. D gives lane t the instructions' columns 2t and 2t + 1, which are therefore 4 t .. 4
//          t + 3 and 16 + 4 t .. 16 + 4 t + 3: two 16-byte stores, side by side with those of the other
//          lanes.
//
//   one row of a warp's C     | 0 1 2 3 | 4 5 6 7 | 8 ..    | 12 ..   | 16 ..   | 20 ..   | 24 ..   | 28 ..
//   31 | lane t, column of D       | 0, 2t   | 1, 2t   | 2, 2t   | 3, 2t   | 0, 2t+1 | 1, 2t+1 | 2, 2t+1 | 3,
//   2t+1  | instruction               | 0 1 2 3 | 0 1 2 3 | ...
//
// So neither ldmatrix (16-bit rows) nor shuffles are needed: the float operands are rounded between shared
// memory and the instruction. An element sums over k in groups of 8 or 16 in ascending order whatever tile it
// stands in, so its bits depend on its row and column of the matrices alone.
//
// Bound of the error. Rounding an operand to nearest moves it by at most u |x|, with u = 2^-11 for TF32 (11
// significant bits) and u = 2^-8 for bf16 (8 bits); products of rounded operands are exact in float. So
//   |c - exact| <= (2 u + u^2) * sum |a| |b|  +  what the sum in float adds, at most k 2^-22 * sum |a| |b|
// (tensor cores may truncate where they align the addends, hence 2^-22 and not 2^-24). For operands whose
// roundings are independent, as with random data, the first term shrinks to about u sqrt(2 * sum a^2 b^2).

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/shared_tile.cuh"

namespace signet::cuda::implicit_gemm {

/// Four neighbours along k of one row of A or column of B, rounded, and the instruction that multiplies two
/// rows of A by a column of B. `a_low` is row g, `a_high` row g + 8.
struct Tf32 {
  static constexpr int kRegisters = 4, kInstructions = 2;

  __device__ __forceinline__ static void round(uint32_t (&to)[kRegisters], const float (&from)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) to[i] = ptx::to_tf32(from[i]);
  }

  __device__ __forceinline__ static void multiply(float (&d)[4], const uint32_t (&a_low)[kRegisters],
                                                  const uint32_t (&a_high)[kRegisters],
                                                  const uint32_t (&b)[kRegisters], int instruction) {
    const int k = 2 * instruction;
    ptx::mma_tf32_16x8x8(d, {a_low[k], a_high[k], a_low[k + 1], a_high[k + 1]}, {b[k], b[k + 1]});
  }
};

struct Bf16 {
  static constexpr int kRegisters = 2, kInstructions = 1;

  __device__ __forceinline__ static void round(uint32_t (&to)[kRegisters], const float (&from)[4]) {
    to[0] = ptx::pack_bf16(from[0], from[1]);
    to[1] = ptx::pack_bf16(from[2], from[3]);
  }

  __device__ __forceinline__ static void multiply(float (&d)[4], const uint32_t (&a_low)[kRegisters],
                                                  const uint32_t (&a_high)[kRegisters],
                                                  const uint32_t (&b)[kRegisters], int) {
    ptx::mma_bf16_16x8x16(d, {a_low[0], a_high[0], a_low[1], a_high[1]}, {b[0], b[1]});
  }
};

template <class Number, class Tile, Layout kLayoutA, Layout kLayoutB>
class MmaTile {
 public:
  static constexpr int kRows = Tile::kWarpRows / 8, kPacks = Tile::kWarpColumns / 16;
  static constexpr bool kAsynchronous = false, kCompiled = true;
  static constexpr int kOwnSharedBytes = 0;
  static_assert(Tile::kWarpRows % 32 == 0 && Tile::kWarpColumns % 32 == 0, "a lane owns 4 rows of each 32");

  /// Asked of the compiler, which needs no limit to leave room for two blocks.
  static constexpr int kResidentBlocks = 1;

  __device__ MmaTile() {
#pragma unroll
    for (auto& row : sum_) {
#pragma unroll
      for (auto& column : row) {
#pragma unroll
        for (float& value : column) value = 0;
      }
    }
  }

  /// Adds the product of a stage's tiles, which begin at `a_tile` and `b_tile` of the shared memory.
  __device__ __forceinline__ void multiply(const float* shared, int a_tile, int b_tile) {
    const int a_origin = a_tile + A::place(place_.row + own_rows(), 4 * place_.t);
    const int b_origin = b_tile + B::place(place_.column + own_rows(), 4 * place_.t);
    for_constants<Tile::kDepth / 16>([&]<int kIndex>(Constant<kIndex>) {
      constexpr int kStep = 16 * kIndex;
      uint32_t b[kColumns][Number::kRegisters];
      for_constants<kColumns / 4>([&]<int kFour>(Constant<kFour>) {
        float block[4][4];
        B::template read<32 * kFour, kStep>(block, shared, b_origin);
        round(b + 4 * kFour, block);
      });
      // Four rows at a time: all of them at once would not leave room for the sums.
      for_constants<kRows / 4>([&]<int kFour>(Constant<kFour>) {
        float block[4][4];
        uint32_t a[4][Number::kRegisters];
        A::template read<32 * kFour, kStep>(block, shared, a_origin);
        round(a, block);
#pragma unroll
        for (int instruction = 0; instruction < Number::kInstructions; ++instruction) {
#pragma unroll
          for (int pair = 0; pair < 2; ++pair) {
#pragma unroll
            for (int j = 0; j < kColumns; ++j)
              Number::multiply(sum_[2 * kFour + pair][j], a[2 * pair], a[2 * pair + 1], b[j], instruction);
          }
        }
      });
    });
  }

  /// The row of C's tile that this thread's row i is, and the first of the four columns of its pack.
  __device__ int row(int i) const {
    return place_.row + 32 * (i / 4) + own_rows() + i % 4;
  }
  __device__ int column(int pack) const {
    return place_.column + 16 * pack + 4 * place_.t;
  }

  __device__ __forceinline__ Pack<float, 4> pack(int i, int pack) const {
    const auto* column = sum_[i / 2] + 4 * (pack / 2);
    const int d = 2 * (i % 2) + pack % 2;
    return {column[0][d], column[1][d], column[2][d], column[3][d]};
  }

 private:
  using A = SharedTile<float, kLayoutA, Tile::kRows, Tile::kDepth>;
  using B = SharedTile<float, kLayoutB, Tile::kColumns, Tile::kDepth>;
  static constexpr int kColumns = Tile::kWarpColumns / 8;  // that a lane reads of B

  /// The first of the lane's four rows, and columns of B, in each 32.
  __device__ int own_rows() const {
    return 16 * (place_.g % 2) + 4 * (place_.g / 2);
  }

  __device__ __forceinline__ static void round(uint32_t (*rows)[Number::kRegisters],
                                               const float (&block)[4][4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) Number::round(rows[i], block[i]);
  }

  WarpPlace<Tile> place_;
  float sum_[kRows / 2][kColumns][4];  // a product of 16 x 8 each
};

}  // namespace signet::cuda::implicit_gemm
