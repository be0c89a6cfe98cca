#include "tests/simt/bf16_gemm.h"

#include "kernels/cuda/implicit_gemm.cuh"

namespace signet::test {
namespace {

using namespace cuda::implicit_gemm;

template <bool kTurnedA, bool kTurnedB>
struct Bf16MatrixProblem {
  using A = Matrix<BFloat16, kTurnedA>;
  using B = Matrix<BFloat16, !kTurnedB>;
  static constexpr Layout kLayoutA = kTurnedA ? Layout::column_major : Layout::row_major;
  static constexpr Layout kLayoutB = kTurnedB ? Layout::row_major : Layout::column_major;

  A a;
  B b;
  Output<float> out;
  int rows, columns, k_begin, k_end;

  __device__ void select(int) {}
  __device__ int64_t place(int row) const { return int64_t(row) * columns; }
};

template <bool kTurnedA, bool kTurnedB>
void run(float* c, const BFloat16* a, const BFloat16* b, int m, int n, int k) {
  const Bf16MatrixProblem<kTurnedA, kTurnedB> problem{
      .a = {.x = a, .pitch = kTurnedA ? m : k, .rows = m, .depth = k},
      .b = {.x = b, .pitch = kTurnedB ? k : n, .rows = n, .depth = k},
      .out = {.y = c},
      .rows = m,
      .columns = n,
      .k_begin = 0,
      .k_end = k};
  multiply_packs<TensorMemoryTiles, Tcgen05Tile>(problem, 1);
}

}  // namespace

void bf16_gemm(float* c, const BFloat16* a, const BFloat16* b, bool turned_a, bool turned_b, int m, int n,
               int k) {
  if (turned_a) return turned_b ? run<true, true>(c, a, b, m, n, k) : run<true, false>(c, a, b, m, n, k);
  return turned_b ? run<false, true>(c, a, b, m, n, k) : run<false, false>(c, a, b, m, n, k);
}

}  // namespace signet::test
