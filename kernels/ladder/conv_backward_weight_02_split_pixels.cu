// HEAD
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

void run(float* dw, const float* dy, const float* x, const Conv2dShape& shape) {
  const ScopedMatrixMath math(MatrixMath::f32);
  conv2d_backward_weight(dw, dy, x, Accumulate::no, shape);
}

}  // namespace

ConvRung conv_backward_weight_02_split_pixels() {
  return {.name = "conv_backward_weight_02_split_pixels",
          .idea = "The matrix is gathered, and its pixels are cut into slices that fill the device.",
          .run = run,
          .refusal = shipped_conv_refusal};
}

}  // namespace signet::cuda::ladder
