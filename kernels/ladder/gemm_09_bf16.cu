// Idea: operands of 16 bits. An mma.sync takes 16 x 8 x 16, twice the steps of k, and two operands share a
// register. Sums stay float. bf16 has float's 8 bits of exponent, so nothing overflows, and 8 of
// significand.
//
// Limiter: what gemm_08's is; that half has become faster which was not it. Operands are still float in
// memory, so no traffic is saved: that is for activations kept as bf16 (kernels/cuda/ldmatrix_tile.cuh).
//
// Counted at 256 x 256 x 256: 8192 instructions mma, half of gemm_08's; sectors (65,536) and wavefronts
// (49,152) are gemm_08's. 1 mma a read. 95 registers.
//
// Refuses sides of 2^30 and more. Rounds: see the bound in mma_tile.cuh.

#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

void run(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  const ScopedMatrixMath math(MatrixMath::bf16);
  gemm(c, a, b, Transpose::no, Transpose::no, m, n, k, Accumulate::no);
}

}  // namespace

GemmRung gemm_09_bf16() {
  return {.name = "gemm_09_bf16",
          .idea = "Operands of 16 bits: the same instruction takes twice as many steps of k.",
          .run = run,
          .refusal = shipped_gemm_refusal,
          .operands = Operands::bf16};
}

}  // namespace signet::cuda::ladder
