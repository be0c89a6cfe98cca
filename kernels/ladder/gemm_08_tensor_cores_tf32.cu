// Idea: the shipped kernel (kernels/cuda/implicit_gemm.cuh), with operands rounded to TF32: 8 bits of
// exponent, 11 of significand. One mma.sync of a warp does 16 x 8 x 8 = 1024 multiply-adds, 32 times what
// one instruction of gemm_07 does. Several stages of copies, and shared memory whose places are permuted
// (swizzled) instead of padded (shared_tile.cuh).
//
// Limiter: shared memory and the rounding of operands, which are stored as float and converted after each
// read.
//
// Counted at 256 x 256 x 256, where the smallest tile is chosen, 64 x 64: 16,384 instructions mma for the
// 524,288 fused multiply-adds of gemm_07; 49,152 wavefronts of shared memory, about a third, no conflicts;
// 2 mma a read. 65,536 sectors read, twice as many, for the tile is half as wide; all were asked for.
// 96 registers.
//
// Refuses sides of 2^30 and more. Rounds: see the bound in mma_tile.cuh.

#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

void run(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  const ScopedMatrixMath math(MatrixMath::tf32);
  gemm(c, a, b, Transpose::no, Transpose::no, m, n, k, Accumulate::no);
}

}  // namespace

GemmRung gemm_08_tensor_cores_tf32() {
  return {.name = "gemm_08_tensor_cores_tf32",
          .idea = "A warp multiplies 16 x 8 by 8 x 8 in one instruction, with operands rounded to TF32.",
          .run = run,
          .refusal = shipped_gemm_refusal,
          .operands = Operands::tf32};
}

}  // namespace signet::cuda::ladder
