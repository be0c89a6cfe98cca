// Idea: dw = dy^T * columns, with conv_01's matrix: one GEMM whose long axis, the pixels, is the one
// summed over.
//
// Limiter: parallelism. dw is small, so its tiles are few, and each block walks over all pixels.
//
// Counted for 2 images of 28 x 28 x 64, 3 x 3 to 64 channels: 9 blocks, on a card with more than a hundred
// multiprocessors; im2col as in conv_01; the product (shipped, in float) reads 225,792 sectors, all of
// them asked for, with 733,824 wavefronts of shared memory and no conflicts.
//
// Refuses a matrix of 2^31 elements, and tensors of 2^31.

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
