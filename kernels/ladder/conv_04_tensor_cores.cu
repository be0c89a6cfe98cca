// HEAD
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

void run(float* y, const float* x, const float* w, const Conv2dShape& shape) {
  const ScopedMatrixMath math(MatrixMath::tf32);
  conv2d_forward(y, x, w, nullptr, nullptr, false, shape);
}

}  // namespace

ConvRung conv_04_tensor_cores() {
  return {.name = "conv_04_tensor_cores",
          .idea = "The gathered tiles go to tensor cores, copied asynchronously, several ahead.",
          .run = run,
          .refusal = shipped_conv_refusal,
          .operands = Operands::tf32};
}

}  // namespace signet::cuda::ladder
