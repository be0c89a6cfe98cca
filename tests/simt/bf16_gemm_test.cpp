// Products with sums in tensor memory, in all transpositions, against plain loops.

#include "tests/simt/bf16_gemm.h"

#include <doctest/doctest.h>

#include <vector>

#include "kernels/cuda/runtime.h"
#include "kernels/simt/memory.h"
#include "tests/kernels/tile_guard.h"

using namespace signet;
using namespace signet::test;

namespace {

// Small whole numbers: sums of their products are exact.
float entry(int matrix, int row, int column) {
  return float((row * 5 + column * 11 + matrix * 3 + row * column) % 17 - 8);
}

/// [rows, columns] of a matrix in device memory, or the transposed one.
BFloat16* make(int matrix, int rows, int columns, bool turned) {
  std::vector<BFloat16> values;
  for (int i = 0; i < rows * columns; ++i) {
    const int across = turned ? rows : columns, outer = i / across, inner = i % across;
    values.emplace_back(turned ? entry(matrix, inner, outer) : entry(matrix, outer, inner));
  }
  const auto bytes = int64_t(values.size() * sizeof(BFloat16));
  auto* memory = static_cast<BFloat16*>(cuda::allocate(bytes));
  cuda::copy_to_device(memory, values.data(), bytes);
  return memory;
}

void check(bool turned_a, bool turned_b, int m, int n, int k) {
  BFloat16* a = make(0, m, k, turned_a);
  BFloat16* b = make(1, k, n, turned_b);
  const int64_t bytes = int64_t(m) * n * 4;
  auto* c = static_cast<float*>(cuda::allocate(bytes));
  cuda::fill_bytes(c, 0xFF, bytes);
  bf16_gemm(c, a, b, turned_a, turned_b, m, n, k);
  std::vector<float> computed(size_t(m) * size_t(n));
  cuda::copy_to_host(computed.data(), c, bytes);
  for (void* memory : {static_cast<void*>(a), static_cast<void*>(b), static_cast<void*>(c)})
    cuda::release(memory);
  int wrong = 0;
  for (int row = 0; row < m; ++row) {
    for (int column = 0; column < n; ++column) {
      float sum = 0;
      for (int step = 0; step < k; ++step) sum += entry(0, row, step) * entry(1, step, column);
      if (!(computed[size_t(row) * size_t(n) + size_t(column)] == sum)) ++wrong;
    }
  }
  CHECK_MESSAGE(wrong == 0, wrong, " sums of ", m, "x", n, "x", k, " are wrong; turned: ", turned_a, ", ",
                turned_b, "; tile ", int(cuda::tile_choice()));
}

}  // namespace

TEST_CASE("bf16 matrices are multiplied in tensor memory, whichever way they lie") {
  const TileGuard guard;
  simt::keep_byte_states();
  using cuda::TileChoice;
  for (const TileChoice tile :
       {TileChoice::tensor_memory_small, TileChoice::tensor_memory_narrow, TileChoice::tensor_memory_large}) {
    cuda::set_tile_choice(tile);
    for (const bool turned_a : {false, true}) {
      for (const bool turned_b : {false, true}) {
        check(turned_a, turned_b, 136, 152, 328);  // several tiles, more steps than stages, ends within tiles
        check(turned_a, turned_b, 8, 8, 8);
        check(turned_a, turned_b, 128, 128, 0);
      }
    }
  }
}
