// Idea: the shipped kernel: conv_02's gathering, with 16-byte copies where channels allow, divisions by
// multiplication (gather.cuh), several stages by cp.async, and tensor cores as in gemm_08.
//
// Limiter: shared memory, as in gemm_08; for early layers, whose channels are few, memory.
//
// Counted for 2 images of 28 x 28 x 64, 3 x 3 to 64 channels: 222,706 sectors read in 14,112 requests, a
// third of conv_02's; all were asked for, and so is what is written. 172,800 wavefronts of shared memory,
// a third of conv_02's, no conflicts, for 57,600 instructions mma: 2 a read.
//
// Refuses 2^30 pixels, or as many weights to a channel. Rounds to TF32: see the bound in mma_tile.cuh.

#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

void run(float* y, const float* x, const float* w, const Conv2dShape& shape) {
  const ScopedMatrixMath math(MatrixMath::tf32);
  conv2d_forward<float>(y, x, w, nullptr, nullptr, false, shape);
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
