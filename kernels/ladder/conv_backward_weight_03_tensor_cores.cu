// HEAD
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
