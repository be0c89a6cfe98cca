// HEAD
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
