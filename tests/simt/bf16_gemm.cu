#include "tests/simt/bf16_gemm.h"

#include "kernels/cuda/matrix_problem.cuh"

namespace signet::test {
namespace {

using namespace cuda::implicit_gemm;

template <bool kTurnedA, bool kTurnedB>
void run(float* c, const BFloat16* a, const BFloat16* b, int m, int n, int k) {
  const MatrixProblem<BFloat16, kTurnedA, kTurnedB> problem({.y = c}, a, b, m, n, k);
  multiply_packs<TensorMemoryTiles, Tcgen05Tile>(problem, 1);
}

}  // namespace

void bf16_gemm(float* c, const BFloat16* a, const BFloat16* b, bool turned_a, bool turned_b, int m, int n,
               int k) {
  if (turned_a) return turned_b ? run<true, true>(c, a, b, m, n, k) : run<true, false>(c, a, b, m, n, k);
  return turned_b ? run<false, true>(c, a, b, m, n, k) : run<false, false>(c, a, b, m, n, k);
}

}  // namespace signet::test
