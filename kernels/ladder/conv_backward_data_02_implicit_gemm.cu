// HEAD
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

void run(float* dx, const float* dy, const float* w, const Conv2dShape& shape) {
  const ScopedMatrixMath math(MatrixMath::f32);
  conv2d_backward_data(dx, dy, w, Accumulate::no, shape);
}

}  // namespace

ConvRung conv_backward_data_02_implicit_gemm() {
  return {.name = "conv_backward_data_02_implicit_gemm",
          .idea = "The pixels of each phase of the stride are a product with their own taps, gathered.",
          .run = run,
          .refusal = shipped_conv_refusal};
}

}  // namespace signet::cuda::ladder
