// HEAD
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

void run(float* dw, const float* dy, const float* x, const Conv2dShape& shape) {
  const int64_t m = conv_pixels(shape), k = conv_depth(shape);
  auto* columns = static_cast<float*>(workspace(m * k * int64_t(sizeof(float))));  // gemm needs no workspace
  im2col(columns, x, shape);
  const ScopedMatrixMath math(MatrixMath::f32);
  gemm(dw, dy, columns, Transpose::yes, Transpose::no, shape.out_channels, k, m, Accumulate::no);
}

}  // namespace

ConvRung conv_backward_weight_01_im2col() {
  return {.name = "conv_backward_weight_01_im2col",
          .idea = "dy, transposed, times im2col's matrix: one GEMM.",
          .run = run,
          .refusal = conv_columns_refusal};
}

}  // namespace signet::cuda::ladder
