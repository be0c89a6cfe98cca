#pragma once
// The matrix unit's products in AMX's instructions, of which a class `Isa` makes the processor's own or, in
// the tests, their definition in C++. Instructions and layouts: Intel 64 and IA-32 Architectures Software
// Developer's Manual, volume 1 chapter 18 and volume 2, LDTILECFG, TILELOADD, TDPBF16PS.
//
// A tile is 16 rows of 64 bytes. TDPBF16PS adds to C[m][n] the products of pairs A[m][k] B[k][n], first those
// of the lower halves and those of the upper ones by themselves, each in the order of k. A's rows and B's are
// panels of the other kernels as they are.

#include <cstdint>

#include "kernels/cpu/matrix_unit.h"

namespace signet::cpu {

/// What LDTILECFG reads.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

template <class Isa>
struct AmxUnit {
  // Tiles 0 and 1 are C's columns, 2 is A, 3 and 4 are B's columns.
  static void begin(int rows) {
    TileConfig config;
    for (const int tile : {0, 1, 2}) config.rows[tile] = uint8_t(rows);
    for (const int tile : {3, 4}) config.rows[tile] = uint8_t(kUnitDepth);
    for (const int tile : {0, 1, 2, 3, 4}) config.row_bytes[tile] = sizeof(float) * kUnitColumns;
    Isa::configure(config);
  }

  static void multiply(const PairProduct& p) {
    const int64_t a_bytes = int64_t(sizeof(float)) * p.a_pitch, b_bytes = int64_t(sizeof(float)) * p.b_pitch,
                  c_bytes = int64_t(sizeof(float)) * p.c_pitch;
    const bool both = p.columns > kUnitColumns;
    if (p.accumulate) {
      Isa::template load<0>(p.c, c_bytes);
      if (both) Isa::template load<1>(p.c + kUnitColumns, c_bytes);
    } else {
      Isa::template zero<0>();
      if (both) Isa::template zero<1>();
    }
    const float* b = p.b;
    for (int64_t k = 0; k < p.k; k += kUnitDepth, b += kUnitDepth * p.b_pitch) {
      Isa::template load<2>(p.a + k, a_bytes);
      Isa::template load<3>(b, b_bytes);
      Isa::template dot<0, 2, 3>();
      if (!both) continue;
      Isa::template load<4>(b + kUnitColumns, b_bytes);
      Isa::template dot<1, 2, 4>();
    }
    Isa::template store<0>(p.c, c_bytes);
    if (both) Isa::template store<1>(p.c + kUnitColumns, c_bytes);
  }

  static void end() { Isa::release(); }

  static int64_t multiply_and_add(int64_t steps) {
    constexpr int64_t kChains = 4, kOperations = int64_t{2} * 2 * 16 * kUnitDepth * kUnitColumns;
    TileConfig config;
    for (int tile = 0; tile < 6; ++tile) {
      config.rows[tile] = 16;
      config.row_bytes[tile] = sizeof(float) * kUnitColumns;
    }
    Isa::configure(config);
    Isa::template zero<0>();
    Isa::template zero<1>();
    Isa::template zero<2>();
    Isa::template zero<3>();
    Isa::template zero<4>();
    Isa::template zero<5>();
    for (int64_t step = 0; step < steps; ++step) {
      Isa::template dot<0, 4, 5>();
      Isa::template dot<1, 4, 5>();
      Isa::template dot<2, 4, 5>();
      Isa::template dot<3, 4, 5>();
    }
    Isa::release();
    return steps * kChains * kOperations;
  }

  static constexpr MatrixUnit table{begin, multiply, end, multiply_and_add};
};

}  // namespace signet::cpu
