// Idea: the shipped kernel in float. The matrix is gathered from dy as in conv_02. With stride s the
// pixels of dx fall into s x s phases, and all pixels of a phase see the same taps: each phase is a
// product of its own, in which nothing is zero by construction (kernels/cuda/conv2d_backward_data.cu).
//
// Limiter: multiply-adds.
//
// Counted for 2 images of 28 x 28 x 64, 3 x 3 to 64 channels: one launch; 222,716 sectors read, half of
// rung 01's both ways, all of them asked for; 748,800 wavefronts of shared memory, no conflicts, as in
// rung 01's product.
//
// Refuses 2^30 pixels, or as many weights to a channel.

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
