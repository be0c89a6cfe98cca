#pragma once
// One function a file of this folder, which gives its rung; ladder.cpp puts them in order. Below, what the
// files share: sizes that no rung takes.

#include "kernels/cuda/runtime.h"
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
GemmRung gemm_08_tensor_cores_tf32();
GemmRung gemm_09_bf16();

ConvRung conv_00_direct();
ConvRung conv_01_im2col();
ConvRung conv_02_implicit_gemm();
ConvRung conv_03_winograd();
ConvRung conv_04_tensor_cores();

ConvRung conv_backward_data_00_direct();
ConvRung conv_backward_data_01_col2im();
ConvRung conv_backward_data_02_implicit_gemm();
ConvRung conv_backward_data_03_tensor_cores();

ConvRung conv_backward_weight_00_direct();
ConvRung conv_backward_weight_01_im2col();
ConvRung conv_backward_weight_02_split_pixels();
ConvRung conv_backward_weight_03_tensor_cores();

BatchnormRung batchnorm_00_thread_per_channel();
BatchnormRung batchnorm_01_rows_in_parallel();
BatchnormRung batchnorm_02_welford();
BatchnormRung batchnorm_03_split_rows();
BatchnormRung batchnorm_04_fused();

/// The kernels index with int and count tiles of columns in gridDim.y, which ends at 65535: matrices of 2^31
/// elements or more, and n above 2^20, are refused.
std::string gemm_size_refusal(int64_t m, int64_t n, int64_t k);

/// The same, and rows of A and B that do not start at multiples of 16 bytes: k or n no multiple of 4.
std::string gemm_vector_refusal(int64_t m, int64_t n, int64_t k);

/// What the shipped kernels refuse: 2^30 rows, columns or steps, counted as their products have them.
std::string shipped_gemm_refusal(int64_t m, int64_t n, int64_t k);
std::string shipped_conv_refusal(const Conv2dShape& shape);

/// Tensors of 2^31 elements or more.
std::string conv_size_refusal(const Conv2dShape& shape);
/// The same, and im2col's matrix of 2^31 elements or more.
std::string conv_columns_refusal(const Conv2dShape& shape);
/// No rows, or 2^31 elements or more.
std::string batchnorm_size_refusal(int64_t rows, int64_t channels);

/// A Conv2dShape as the kernels take it.
struct ConvSizes {
  int pixels;  ///< of y, in all images
  int in_height, in_width, in_channels, out_height, out_width, out_channels;
  int kernel_height, kernel_width, stride, padding, dilation;
};
ConvSizes conv_sizes(const Conv2dShape& shape);

/// The rows and columns of im2col's matrix: pixels of y in all images; taps times input channels.
int64_t conv_pixels(const Conv2dShape& shape);
int64_t conv_depth(const Conv2dShape& shape);

/// columns[pixel, (ky, kx, c)] = x at that tap and channel, 0 outside of the image (conv_01_im2col.cu).
void im2col(float* columns, const float* x, const Conv2dShape& shape);

/// What batchnorm is followed by, in kernels of their own: y += residual unless that is null, then ReLU if
/// `relu` (batchnorm_00_thread_per_channel.cu).
void add_and_clamp(float* y, const float* residual, bool relu, int64_t n);

/// Chooses the numbers that the shipped kernels multiply in, until the end of a scope. Kernels launched in it
/// keep the choice. It holds for the whole process: rungs are for one thread at a time.
class ScopedMatrixMath {
 public:
  explicit ScopedMatrixMath(MatrixMath math) : before_(matrix_math()) { set_matrix_math(math); }
  ~ScopedMatrixMath() { set_matrix_math(before_); }
  ScopedMatrixMath(const ScopedMatrixMath&) = delete;
  ScopedMatrixMath& operator=(const ScopedMatrixMath&) = delete;

 private:
  MatrixMath before_;
};

/// How many tiles of `size` cover n.
constexpr unsigned tiles(int64_t n, int64_t size) {
  return unsigned((n + size - 1) / size);
}

}  // namespace signet::cuda::ladder
