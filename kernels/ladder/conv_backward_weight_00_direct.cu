// Idea: one thread for each weight walks over all pixels of all images and adds up what it did to them.
//
// Limiter: parallelism first, memory second. There are only as many threads as weights, each with a sum as
// long as the batch has pixels, and two loads for each product.
//
// Counted for 2 images of 28 x 28 x 64, 3 x 3 to 64 channels: 36,864 threads with sums of 1568 products;
// 8,606,720 sectors read, 2.5 a request: 1 for dy, 4 for x. All were asked for. 30 registers.
//
// Refuses tensors of 2^31 elements, since it indexes with int.

#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    conv_backward_weight_direct_kernel(float* dw, const float* dy, const float* x, ConvSizes s,
                                       unsigned size) {
  const unsigned place = blockIdx.x * kThreads + threadIdx.x;
  if (place >= size) return;
  const int c = place % s.in_channels, tap = place / s.in_channels;  // neighbours share the tap
  const int kx = tap % s.kernel_width, ky = tap / s.kernel_width % s.kernel_height;
  const int o = tap / (s.kernel_width * s.kernel_height);

  float sum = 0;
  for (int pixel = 0; pixel < s.pixels; ++pixel) {
    const int ox = pixel % s.out_width, oy = pixel / s.out_width % s.out_height;
    const int image = pixel / (s.out_width * s.out_height);
    const int iy = oy * s.stride + ky * s.dilation - s.padding;
    const int ix = ox * s.stride + kx * s.dilation - s.padding;
    if (iy < 0 || iy >= s.in_height || ix < 0 || ix >= s.in_width) continue;
    sum = fmaf(dy[pixel * s.out_channels + o],
               x[((image * s.in_height + iy) * s.in_width + ix) * s.in_channels + c], sum);
  }
  dw[place] = sum;
}

void run(float* dw, const float* dy, const float* x, const Conv2dShape& shape) {
  launch(conv_backward_weight_direct_kernel, dim3(tiles(shape.weight_size(), kThreads)), dim3(kThreads), 0,
         current_stream(), dw, dy, x, conv_sizes(shape), unsigned(shape.weight_size()));
}

}  // namespace

ConvRung conv_backward_weight_00_direct() {
  return {.name = "conv_backward_weight_00_direct",
          .idea = "One thread for each weight walks over all pixels of all images.",
          .run = run,
          .refusal = conv_size_refusal};
}

}  // namespace signet::cuda::ladder
