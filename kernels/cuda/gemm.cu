// Matrix products in float.

#include "kernels/cuda/matrix_problem.cuh"
#include "kernels/kernels.h"

namespace signet::cuda {
namespace implicit_gemm {

template <bool kTransposeA, bool kTransposeB>
void multiply_matrices(const Output<float>& out, const float* a, const float* b, int64_t m, int64_t n,
                       int64_t k) {
  const MatrixProblem<float, kTransposeA, kTransposeB> problem(out, a, b, m, n, k);
  multiply(problem, 1, problem.a.pitch % 4 == 0 && problem.b.pitch % 4 == 0 && allow_packs(a, b));
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
