// Idea: one thread for each element of dx asks, tap by tap, which pixel of y that tap carried it to.
// Turned around like this every thread writes its own place; adding dy's products into dx would need
// atomics.
//
// Limiter: memory, as in gemm_01: two loads for each product. With a stride most questions are answered by
// "none", and neighbouring pixels ask differently.
//
// Counted for 2 images of 28 x 28 x 64, 3 x 3 to 64 channels: 8,606,720 sectors read, 2.5 a request: 1 for
// dy, which the warp shares, 4 for w, whose input channels are neighbours. All were asked for. 32
// registers.
//
// Refuses tensors of 2^31 elements, since it indexes with int.

#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/conv_source.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    conv_backward_data_direct_kernel(float* dx, const float* dy, const float* w, ConvSizes s, unsigned size) {
  const unsigned place = blockIdx.x * kThreads + threadIdx.x;
  if (place >= size) return;
  const int c = place % s.in_channels, pixel = place / s.in_channels;  // neighbours share the pixel
  const int ix = pixel % s.in_width, iy = pixel / s.in_width % s.in_height;
  const int image = pixel / (s.in_width * s.in_height);

  float sum = 0;
  for (int ky = 0; ky < s.kernel_height; ++ky) {
    const int oy = place_in_y(iy, ky, s.out_height, s);
    if (oy < 0) continue;
    for (int kx = 0; kx < s.kernel_width; ++kx) {
      const int ox = place_in_y(ix, kx, s.out_width, s);
      if (ox < 0) continue;
      const float* out = dy + ((image * s.out_height + oy) * s.out_width + ox) * s.out_channels;
      const float* tap = w + (ky * s.kernel_width + kx) * s.in_channels + c;
      const int filter = s.kernel_height * s.kernel_width * s.in_channels;
      for (int o = 0; o < s.out_channels; ++o) sum = fmaf(tap[o * filter], out[o], sum);
    }
  }
  dx[place] = sum;
}

void run(float* dx, const float* dy, const float* w, const Conv2dShape& shape) {
  launch(conv_backward_data_direct_kernel, dim3(tiles(shape.in_size(), kThreads)), dim3(kThreads), 0,
         current_stream(), dx, dy, w, conv_sizes(shape), unsigned(shape.in_size()));
}

}  // namespace

ConvRung conv_backward_data_00_direct() {
  return {.name = "conv_backward_data_00_direct",
          .idea = "One thread for each element of dx asks every tap which pixel of y it came from.",
          .run = run,
          .refusal = conv_size_refusal};
}

}  // namespace signet::cuda::ladder
