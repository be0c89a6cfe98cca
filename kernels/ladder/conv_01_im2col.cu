// Idea: whatever an output pixel sees becomes a row of a matrix. The convolution is then a product of
// matrices, and the work on the GEMM ladder is not done twice.
//
// Limiter: the matrix. With 3 x 3 taps it is 9 times as large as x, is written, and is read again.
//
// Counted for 2 images of 28 x 28 x 64, 3 x 3 to 64 channels: im2col reads 107,584 sectors and writes
// 112,896, 9 times x's 12,544; the product (shipped, in float) reads 228,096, all of them asked for, with
// 748,800 wavefronts of shared memory and no conflicts. im2col takes 27 registers.
//
// Refuses a matrix of 2^31 elements, and what conv_00 does.

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kThreads = 256;

/// columns[pixel, (ky, kx, c)] = x at that tap and channel, 0 outside of the image.
__global__ void __launch_bounds__(kThreads) im2col_kernel(float* columns, const float* x, ConvSizes s) {
  const int k = s.kernel_height * s.kernel_width * s.in_channels;
  const unsigned place = blockIdx.x * kThreads + threadIdx.x;
  if (place >= unsigned(s.pixels) * k) return;
  const int l = place % k, pixel = place / k;
  const int c = l % s.in_channels, kx = l / s.in_channels % s.kernel_width;
  const int ky = l / (s.in_channels * s.kernel_width);
  const int ox = pixel % s.out_width, oy = pixel / s.out_width % s.out_height;
  const int image = pixel / (s.out_width * s.out_height);

  const int iy = oy * s.stride + ky * s.dilation - s.padding;
  const int ix = ox * s.stride + kx * s.dilation - s.padding;
  const bool inside = iy >= 0 && iy < s.in_height && ix >= 0 && ix < s.in_width;
  columns[place] = inside ? x[((image * s.in_height + iy) * s.in_width + ix) * s.in_channels + c] : 0.0F;
}

void run(float* y, const float* x, const float* w, const Conv2dShape& shape) {
  const int64_t m = conv_pixels(shape), k = conv_depth(shape);
  auto* columns = static_cast<float*>(workspace(m * k * int64_t(sizeof(float))));  // gemm needs no workspace
  im2col(columns, x, shape);
  // OHWI weights are a matrix [out_channels, k] as they stand.
  const ScopedMatrixMath math(MatrixMath::f32);
  gemm(y, columns, w, Transpose::no, Transpose::yes, m, shape.out_channels, k, Accumulate::no);
}

}  // namespace

void im2col(float* columns, const float* x, const Conv2dShape& shape) {
  launch(im2col_kernel, dim3(tiles(conv_pixels(shape) * conv_depth(shape), kThreads)), dim3(kThreads), 0,
         current_stream(), columns, x, conv_sizes(shape));
}

ConvRung conv_01_im2col() {
  return {.name = "conv_01_im2col",
          .idea = "What each output pixel sees is written out as a row of a matrix; the rest is one GEMM.",
          .run = run,
          .refusal = conv_columns_refusal};
}

}  // namespace signet::cuda::ladder
