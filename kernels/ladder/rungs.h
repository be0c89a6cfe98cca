#pragma once
// One function a file of this folder, which gives its rung; ladder.cpp puts them in order. Below, what the
// files share: sizes that no rung takes.

#include "kernels/ladder/ladder.h"

namespace signet::cuda::ladder {

GemmRung gemm_00_naive();
GemmRung gemm_01_coalesced();
GemmRung gemm_02_shared();
GemmRung gemm_03_thread_column();
GemmRung gemm_04_thread_tile();
GemmRung gemm_05_vector_loads();
GemmRung gemm_06_warp_tiles();
GemmRung gemm_07_double_buffering();

ConvRung conv_00_direct();
ConvRung conv_01_im2col();
ConvRung conv_02_implicit_gemm();
ConvRung conv_03_winograd();

BatchnormRung batchnorm_00_thread_per_channel();
BatchnormRung batchnorm_01_coalesced();
BatchnormRung batchnorm_02_welford();
BatchnormRung batchnorm_03_split_rows();
BatchnormRung batchnorm_04_fused();

/// The kernels index with int and count tiles of columns in gridDim.y, which ends at 65535: matrices of 2^31
/// elements or more, and n above 2^20, are refused.
std::string gemm_size_refusal(int64_t m, int64_t n, int64_t k);

/// The same, and rows of A and B that do not start at multiples of 16 bytes: k or n no multiple of 4.
std::string gemm_vector_refusal(int64_t m, int64_t n, int64_t k);

/// Tensors of 2^31 elements or more.
std::string conv_size_refusal(const Conv2dShape& shape);
std::string batchnorm_size_refusal(int64_t rows, int64_t channels);

/// A Conv2dShape as the kernels take it.
struct ConvSizes {
  int pixels;  ///< of y, in all images
  int in_height, in_width, in_channels, out_height, out_width, out_channels;
  int kernel_height, kernel_width, stride, padding, dilation;
};
ConvSizes conv_sizes(const Conv2dShape& shape);

/// How many tiles of `size` cover n.
constexpr unsigned tiles(int64_t n, int64_t size) {
  return unsigned((n + size - 1) / size);
}

}  // namespace signet::cuda::ladder
