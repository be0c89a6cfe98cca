#include "kernels/ladder/ladder.h"

#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {

std::span<const GemmRung> gemm_rungs() {
  static const GemmRung rungs[] = {
      gemm_00_naive(),         gemm_01_coalesced(),        gemm_02_shared(),
      gemm_03_thread_column(), gemm_04_thread_tile(),      gemm_05_vector_loads(),
      gemm_06_warp_tiles(),    gemm_07_double_buffering(), gemm_08_tensor_cores_tf32(),
      gemm_09_bf16()};
  return rungs;
}

std::span<const ConvRung> conv_rungs() {
  static const ConvRung rungs[] = {conv_00_direct(), conv_01_im2col(), conv_02_implicit_gemm(),
                                   conv_03_winograd(), conv_04_tensor_cores()};
  return rungs;
}

std::span<const ConvRung> conv_backward_data_rungs() {
  static const ConvRung rungs[] = {conv_backward_data_00_direct(), conv_backward_data_01_col2im(),
                                   conv_backward_data_02_implicit_gemm(),
                                   conv_backward_data_03_tensor_cores()};
  return rungs;
}

std::span<const ConvRung> conv_backward_weight_rungs() {
  static const ConvRung rungs[] = {conv_backward_weight_00_direct(), conv_backward_weight_01_im2col(),
                                   conv_backward_weight_02_split_pixels(),
                                   conv_backward_weight_03_tensor_cores()};
  return rungs;
}

std::span<const BatchnormRung> batchnorm_rungs() {
  static const BatchnormRung rungs[] = {batchnorm_00_thread_per_channel(), batchnorm_01_rows_in_parallel(),
                                        batchnorm_02_welford(), batchnorm_03_split_rows(),
                                        batchnorm_04_fused()};
  return rungs;
}

}  // namespace signet::cuda::ladder
