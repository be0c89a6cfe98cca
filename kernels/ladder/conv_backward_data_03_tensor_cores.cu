// Idea: the same product, with operands rounded to TF32, on tensor cores: the kernel as --precision tf32
// runs it.
//
// Limiter: shared memory, as in gemm_08.
//
// Counted for 2 images of 28 x 28 x 64, 3 x 3 to 64 channels: 222,716 sectors read, as in float; 172,800
// wavefronts of shared memory in place of 748,800, no conflicts, for 57,600 instructions mma.
//
// Refuses what rung 02 does. Rounds: see the bound in mma_tile.cuh.

#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

void run(float* dx, const float* dy, const float* w, const Conv2dShape& shape) {
  const ScopedMatrixMath math(MatrixMath::tf32);
  conv2d_backward_data(dx, dy, w, Accumulate::no, shape);
}

}  // namespace

ConvRung conv_backward_data_03_tensor_cores() {
  return {.name = "conv_backward_data_03_tensor_cores",
          .idea = "The same product on tensor cores.",
          .run = run,
          .refusal = shipped_conv_refusal,
          .operands = Operands::tf32};
}

}  // namespace signet::cuda::ladder
