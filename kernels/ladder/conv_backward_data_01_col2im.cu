// Idea: conv_01 backwards. y = columns * w^T, so the gradient of the columns is dy * w, one GEMM; and each
// pixel of x stands in up to 9 columns, whose gradients it adds up. Again the pixel asks, so that no
// atomics are needed.
//
// Limiter: the matrix, as in conv_01: written once and read once, 9 times as large as dx.
//
// Counted for 2 images of 28 x 28 x 64, 3 x 3 to 64 channels: the product (shipped, in float) reads
// 228,096 sectors and writes 112,896; col2im reads 107,584 and writes 12,544. All were asked for. col2im
// takes 26 registers.
//
// Refuses a matrix of 2^31 elements, and tensors of 2^31.

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/conv_source.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kThreads = 256;

/// dx[pixel, c] = the sum of those columns[output pixel, (ky, kx, c)] that im2col filled from it.
__global__ void __launch_bounds__(kThreads)
    col2im_kernel(float* dx, const float* columns, ConvSizes s, unsigned size) {
  const unsigned place = blockIdx.x * kThreads + threadIdx.x;
  if (place >= size) return;
  const int c = place % s.in_channels, pixel = place / s.in_channels;
  const int ix = pixel % s.in_width, iy = pixel / s.in_width % s.in_height;
  const int image = pixel / (s.in_width * s.in_height);
  float sum = 0;
  for (int ky = 0; ky < s.kernel_height; ++ky) {
    const int oy = place_in_y(iy, ky, s.out_height, s);
    if (oy < 0) continue;
    for (int kx = 0; kx < s.kernel_width; ++kx) {
      const int ox = place_in_y(ix, kx, s.out_width, s);
      if (ox < 0) continue;
      const int row = (image * s.out_height + oy) * s.out_width + ox;
      sum += columns[((row * s.kernel_height + ky) * s.kernel_width + kx) * s.in_channels + c];
    }
  }
  dx[place] = sum;
}

void run(float* dx, const float* dy, const float* w, const Conv2dShape& shape) {
  const int64_t m = conv_pixels(shape), k = conv_depth(shape);
  auto* columns = static_cast<float*>(workspace(m * k * int64_t(sizeof(float))));  // gemm needs no workspace
  const ScopedMatrixMath math(MatrixMath::f32);
  gemm(columns, dy, w, Transpose::no, Transpose::no, m, k, shape.out_channels, Accumulate::no);
  launch(col2im_kernel, dim3(tiles(shape.in_size(), kThreads)), dim3(kThreads), 0, current_stream(), dx,
         columns, conv_sizes(shape), unsigned(shape.in_size()));
}

}  // namespace

ConvRung conv_backward_data_01_col2im() {
  return {.name = "conv_backward_data_01_col2im",
          .idea = "One GEMM gives the gradient of im2col's matrix; each pixel adds up its copies in it.",
          .run = run,
          .refusal = conv_columns_refusal};
}

}  // namespace signet::cuda::ladder
