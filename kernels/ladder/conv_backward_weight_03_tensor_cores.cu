// Idea: the same slices, with operands rounded to TF32, on tensor cores.
//
// Limiter: shared memory, as in gemm_08.
//
// Counted for 2 images of 28 x 28 x 64, 3 x 3 to 64 channels: 220,480 and 32,256 sectors read, as in
// float; 169,344 wavefronts of shared memory in place of 733,824, no conflicts, for 56,448 instructions
// mma.
//
// Refuses what rung 02 does. Rounds: see the bound in mma_tile.cuh.

#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

void run(float* dw, const float* dy, const float* x, const Conv2dShape& shape) {
  const ScopedMatrixMath math(MatrixMath::tf32);
  conv2d_backward_weight(dw, dy, x, Accumulate::no, shape);
}

}  // namespace

ConvRung conv_backward_weight_03_tensor_cores() {
  return {.name = "conv_backward_weight_03_tensor_cores",
          .idea = "The same slices on tensor cores.",
          .run = run,
          .refusal = shipped_conv_refusal,
          .operands = Operands::tf32};
}

}  // namespace signet::cuda::ladder
