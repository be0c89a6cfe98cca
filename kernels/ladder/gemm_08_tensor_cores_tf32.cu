// HEAD
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

void run(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  const ScopedMatrixMath math(MatrixMath::tf32);
  gemm(c, a, b, Transpose::no, Transpose::no, m, n, k, Accumulate::no);
}

}  // namespace

GemmRung gemm_08_tensor_cores_tf32() {
  return {.name = "gemm_08_tensor_cores_tf32",
          .idea = "A warp multiplies 16 x 8 by 8 x 8 in one instruction, with operands rounded to TF32.",
          .run = run,
          .refusal = shipped_gemm_refusal,
          .operands = Operands::tf32};
}

}  // namespace signet::cuda::ladder
