// Idea: the shipped kernel in float. The matrix is gathered, and the pixels are cut into slices, which
// other blocks take: each slice leaves a sum in the workspace, and a second kernel adds these up in their
// order. How many there are depends on the shape alone, so the bits are the same on every card.
//
// Limiter: multiply-adds; for small layers the slices' sums, which are written and read.
//
// Counted for 2 images of 28 x 28 x 64, 3 x 3 to 64 channels: 63 blocks, 7 slices of 9; 220,480 sectors
// read, and 32,256 more to merge the slices; 733,824 wavefronts of shared memory, no conflicts. All were
// asked for.
//
// Refuses 2^30 pixels, or as many weights to a channel.

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
