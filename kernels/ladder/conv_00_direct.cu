// Idea: one thread for each element of y walks over taps and input channels, as the definition says.
//
// Limiter: requests to memory. The lanes of a warp have 32 output channels, whose filters lie far apart:
// each lane has a sector to itself at every step, and uses 4 of its 32 bytes before it comes back for the
// next 4.
//
// Counted for 2 images of 28 x 28 x 64, 3 x 3 to 64 channels: 56,804,352 sectors read, 16.5 a request: 32
// for w, 1 for x; 15% of what was moved was asked for. One fused multiply-add for two loads. 32 registers.
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
    conv_direct_kernel(float* y, const float* x, const float* w, ConvSizes s) {
  // Pixels times channels may be just below 2^31, and the last block reaches beyond them: hence unsigned.
  const unsigned place = blockIdx.x * kThreads + threadIdx.x;
  if (place >= unsigned(s.pixels) * s.out_channels) return;
  const int o = place % s.out_channels, pixel = place / s.out_channels;  // neighbours share the pixel
  const int ox = pixel % s.out_width, oy = pixel / s.out_width % s.out_height;
  const int image = pixel / (s.out_width * s.out_height);

  float sum = 0;
  for (int ky = 0; ky < s.kernel_height; ++ky) {
    const int iy = oy * s.stride + ky * s.dilation - s.padding;
    if (iy < 0 || iy >= s.in_height) continue;
    for (int kx = 0; kx < s.kernel_width; ++kx) {
      const int ix = ox * s.stride + kx * s.dilation - s.padding;
      if (ix < 0 || ix >= s.in_width) continue;
      const float* in = x + ((image * s.in_height + iy) * s.in_width + ix) * s.in_channels;
      const float* tap = w + ((o * s.kernel_height + ky) * s.kernel_width + kx) * s.in_channels;
      for (int c = 0; c < s.in_channels; ++c) sum = fmaf(tap[c], in[c], sum);
    }
  }
  y[place] = sum;
}

void run(float* y, const float* x, const float* w, const Conv2dShape& shape) {
  launch(conv_direct_kernel, dim3(tiles(shape.out_size(), kThreads)), dim3(kThreads), 0, current_stream(), y,
         x, w, conv_sizes(shape));
}

}  // namespace

ConvRung conv_00_direct() {
  return {.name = "conv_00_direct",
          .idea = "One thread for each element of y, neighbouring threads on neighbouring channels.",
          .run = run,
          .refusal = conv_size_refusal};
}

}  // namespace signet::cuda::ladder
