// C = op(A) op(B): each of the four pairs of transpositions is a pair of layouts of the tiles in shared
// memory.

#include "kernels/cuda/implicit_gemm.cuh"
#include "kernels/kernels.h"

namespace signet::cuda {
namespace implicit_gemm {

template <bool kTransposeA, bool kTransposeB>
struct MatrixProblem {
  // Rows of B's tile are columns of op(B): a transposed B has them row by row.
  using A = Matrix<float, kTransposeA>;
  using B = Matrix<float, !kTransposeB>;
  static constexpr Layout kLayoutA = kTransposeA ? Layout::column_major : Layout::row_major;
  static constexpr Layout kLayoutB = kTransposeB ? Layout::row_major : Layout::column_major;

  A a;
  B b;
  Output<float> out;
  int rows, columns, k_begin, k_end;

  __device__ void select(int) {}
  __device__ int64_t place(int row) const { return int64_t(row) * columns; }
};

template <bool kTransposeA, bool kTransposeB>
void multiply_matrices(const Output<float>& out, const float* a, const float* b, int64_t m, int64_t n,
                       int64_t k) {
  const int64_t pitch_a = kTransposeA ? m : k, pitch_b = kTransposeB ? k : n;
  const MatrixProblem<kTransposeA, kTransposeB> problem{
      .a = {.x = a, .pitch = pitch_a, .rows = int(m), .depth = int(k)},
      .b = {.x = b, .pitch = pitch_b, .rows = int(n), .depth = int(k)},
      .out = out,
      .rows = int(m),
      .columns = int(n),
      .k_begin = 0,
      .k_end = int(k)};
  multiply(problem, 1, pitch_a % 4 == 0 && pitch_b % 4 == 0 && allow_packs(a, b));
}

}  // namespace implicit_gemm

void gemm(float* c, const float* a, const float* b, Transpose transpose_a, Transpose transpose_b, int64_t m,
          int64_t n, int64_t k, Accumulate accumulate) {
  using namespace implicit_gemm;
  if (m * n == 0) return;
  check_index_range("gemm", {m, n, k});
  const Output<float> out{.y = c,
                          .residual = accumulate == Accumulate::yes ? c : nullptr,
                          .packed = n % 4 == 0 && allow_packs(c)};
  const bool turn_a = transpose_a == Transpose::yes, turn_b = transpose_b == Transpose::yes;
  if (turn_a && turn_b) return multiply_matrices<true, true>(out, a, b, m, n, k);
  if (turn_a) return multiply_matrices<true, false>(out, a, b, m, n, k);
  if (turn_b) return multiply_matrices<false, true>(out, a, b, m, n, k);
  return multiply_matrices<false, false>(out, a, b, m, n, k);
}

}  // namespace signet::cuda
