// Idea: the matrix of im2col is described and never written. A block computes which pixel, tap and channel
// each element of its tile is, and gathers it from x straight into shared memory; from there on it is
// gemm_06.
//
// Limiter: arithmetic with indices, a division and a remainder for each element gathered, and loads of 4
// bytes that the multiplication waits for.
//
// Counted for 2 images of 28 x 28 x 64, 3 x 3 to 64 channels: 166,144 sectors read, all of them asked for,
// where conv_01 moved 448,576 both ways; 524,160 wavefronts of shared memory, no conflicts; 16 fused
// multiply-adds a read. y is stored 4 bytes at a time: of what is written a quarter was asked for. 127
// registers, 6.3 KiB.
//
// Refuses what conv_00 does.

#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kPixels = 128, kChannels = 64;  // rows and columns of y's tile
constexpr int kStep = 8;                      // along taps and channels
constexpr int kWarpPixels = 64, kWarpChannels = 32;
constexpr int kLaneCols = 4;
constexpr int kThreads = 128;
constexpr int kPixelGap = 32, kChannelGap = 16;  // between the 4 x 4 blocks of a thread's 8 x 8 elements
constexpr int kPad = 4;                          // a warp writes 8 x 4 places of a tile: 32 banks
constexpr int kLoadRows = kThreads / kStep;      // that the block fills at once
constexpr int kOutside = -(1 << 30);             // a coordinate that no tap brings back into the image
static_assert(kPixels / kWarpPixels * (kChannels / kWarpChannels) * 32 == kThreads, "a warp for each tile");

__device__ void read4(float* to, const float* from) {
  const float4 four = *reinterpret_cast<const float4*>(from);
  to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}

__global__ void __launch_bounds__(kThreads)
    conv_implicit_gemm_kernel(float* y, const float* x, const float* w, ConvSizes s) {
  alignas(16) __shared__ float x_tile[kStep][kPixels + kPad];    // [l][pixel]
  alignas(16) __shared__ float w_tile[kStep][kChannels + kPad];  // [l][output channel]

  const int thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
  const int first_pixel = blockIdx.x * kPixels, first_channel = blockIdx.y * kChannels;
  const int row = warp / (kChannels / kWarpChannels) * kWarpPixels + lane / kLaneCols * 4;
  const int col = warp % (kChannels / kWarpChannels) * kWarpChannels + lane % kLaneCols * 4;
  const int load_l = thread % kStep, load_row = thread / kStep;
  const int depth = s.kernel_height * s.kernel_width * s.in_channels;

  // The pixels whose values this thread fetches: where their windows begin, and their image.
  int window_y[kPixels / kLoadRows], window_x[kPixels / kLoadRows], image[kPixels / kLoadRows];
  for (int i = 0; i < kPixels / kLoadRows; ++i) {
    const int pixel = first_pixel + load_row + i * kLoadRows;
    image[i] = pixel / (s.out_width * s.out_height);
    window_y[i] = pixel < s.pixels ? pixel / s.out_width % s.out_height * s.stride - s.padding : kOutside;
    window_x[i] = pixel % s.out_width * s.stride - s.padding;
  }

  float sum[8][8] = {};
  for (int l0 = 0; l0 < depth; l0 += kStep) {
    // Column l of the matrix that is never built: which tap, which channel.
    const int l = l0 + load_l;
    const int c = l % s.in_channels, tap = l / s.in_channels;
    const int dy = tap / s.kernel_width * s.dilation, dx = tap % s.kernel_width * s.dilation;
    for (int i = 0; i < kPixels / kLoadRows; ++i) {
      const int iy = window_y[i] + dy, ix = window_x[i] + dx;
      const bool inside = l < depth && iy >= 0 && iy < s.in_height && ix >= 0 && ix < s.in_width;
      x_tile[load_l][load_row + i * kLoadRows] =
          inside ? x[((image[i] * s.in_height + iy) * s.in_width + ix) * s.in_channels + c] : 0.0F;
    }
    for (int i = 0; i < kChannels / kLoadRows; ++i) {
      const int o = first_channel + load_row + i * kLoadRows;
      w_tile[load_l][load_row + i * kLoadRows] = o < s.out_channels && l < depth ? w[o * depth + l] : 0.0F;
    }
    __syncthreads();
    for (int step = 0; step < kStep; ++step) {
      float x_value[8], w_value[8];
      read4(x_value, &x_tile[step][row]);
      read4(x_value + 4, &x_tile[step][row + kPixelGap]);
      read4(w_value, &w_tile[step][col]);
      read4(w_value + 4, &w_tile[step][col + kChannelGap]);
      for (int i = 0; i < 8; ++i) {
        for (int j = 0; j < 8; ++j) sum[i][j] = fmaf(x_value[i], w_value[j], sum[i][j]);
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < 8; ++i) {
    const int pixel = first_pixel + row + i % 4 + i / 4 * kPixelGap;
    for (int j = 0; j < 8; ++j) {
      const int o = first_channel + col + j % 4 + j / 4 * kChannelGap;
      if (pixel < s.pixels && o < s.out_channels) y[pixel * s.out_channels + o] = sum[i][j];
    }
  }
}

void run(float* y, const float* x, const float* w, const Conv2dShape& shape) {
  const ConvSizes sizes = conv_sizes(shape);
  launch(conv_implicit_gemm_kernel, dim3(tiles(sizes.pixels, kPixels), tiles(sizes.out_channels, kChannels)),
         dim3(kThreads), 0, current_stream(), y, x, w, sizes);
}

}  // namespace

ConvRung conv_02_implicit_gemm() {
  return {
      .name = "conv_02_implicit_gemm",
      .idea = "The matrix of im2col is never written: its tiles are gathered straight into shared memory.",
      .run = run,
      .refusal = conv_size_refusal};
}

}  // namespace signet::cuda::ladder
