// Augmentation, with the arithmetic of the reference operation by operation (kernels/ref/image_warp.cpp lists
// it), so that the bits are the same: single float operations in that order, named one by one because nvcc
// would fuse multiplications with additions. A warp takes a line of an image, 32 pixels at a time.
//
// Without contrast one kernel does everything. With it the mean grey of the whole image stands in between:
// the first kernel leaves colours before contrast in y and sums each line from left to right, the second sums
// the lines of each image from top to bottom, the third finishes y.

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/runtime.h"
#include "kernels/kernels.h"

namespace signet::cuda {
namespace {

constexpr int kWarps = 4;

struct Images {
  int64_t batch, height, width;
};

__device__ int64_t warp_in_grid() {
  return int64_t(blockIdx.x) * kWarps + threadIdx.x / kWarpSize;
}
__device__ int lane() {
  return int(threadIdx.x % kWarpSize);
}

__device__ float lerp(float a, float b, float t) {
  return __fadd_rn(a, __fmul_rn(t, __fsub_rn(b, a)));
}

// NaN stays NaN.
__device__ float clamp01(float v) {
  return v < 0 ? 0 : v > 1 ? 1 : v;
}

__device__ float normalised(float v, float mean, float deviation) {
  return __fdiv_rn(__fsub_rn(v, mean), deviation);
}

/// m0 * ox + m1 * oy + m2 + centre, from the left.
__device__ float source(const float* m, float ox, float oy, float centre) {
  return __fadd_rn(__fadd_rn(__fadd_rn(__fmul_rn(m[0], ox), __fmul_rn(m[1], oy)), m[2]), centre);
}

// v[C] = the image at (x, y), in [0, 255], black outside.
template <int C>
__device__ void bilinear(float (&v)[C], const uint8_t* image, float x, float y, int64_t height,
                         int64_t width) {
  for (int c = 0; c < C; ++c) v[c] = 0;
  // Beyond one pixel from the plane all four neighbours are black (and the conversion to an integer is safe).
  if (!(x > -1 && x < float(width) && y > -1 && y < float(height))) return;
  const int left = int(floorf(x)), top = int(floorf(y));
  const float tx = __fsub_rn(x, float(left)), ty = __fsub_rn(y, float(top));
  const bool in_left = left >= 0, in_right = left + 1 < width, in_top = top >= 0,
             in_bottom = top + 1 < height;
  const uint8_t* upper = image + (top * width + left) * C;
  const uint8_t* lower = upper + width * C;
  for (int c = 0; c < C; ++c) {
    const float a = in_top && in_left ? float(upper[c]) : 0, b = in_top && in_right ? float(upper[C + c]) : 0;
    const float d = in_bottom && in_left ? float(lower[c]) : 0,
                e = in_bottom && in_right ? float(lower[C + c]) : 0;
    v[c] = lerp(lerp(a, b, tx), lerp(d, e, tx), ty);
  }
}

// v[C] = the warped image at (row, col) in [0, 1], after brightness.
template <int C>
__device__ void warped_pixel(float (&v)[C], const uint8_t* image, const ImageWarp& warp, int64_t row,
                             int64_t col, int64_t height, int64_t width) {
  const float centre_x = float(width - 1) / 2, centre_y = float(height - 1) / 2;
  const float ox = __fsub_rn(float(col), centre_x), oy = __fsub_rn(float(row), centre_y);
  float x = source(warp.m, ox, oy, centre_x), y = source(warp.m + 3, ox, oy, centre_y);
  if (warp.nearest) {
    x = floorf(__fadd_rn(x, 0.5f));
    y = floorf(__fadd_rn(y, 0.5f));
  }
  bilinear<C>(v, image, x, y, height, width);
  for (int c = 0; c < C; ++c) v[c] = __fdiv_rn(v[c], 255);
  if (warp.brightness == 1) return;
  for (int c = 0; c < C; ++c) v[c] = clamp01(__fmul_rn(v[c], warp.brightness));
}

template <int C>
__device__ float grey_of(const float (&v)[C]) {
  if constexpr (C == 1) {
    return v[0];
  } else {
    return __fadd_rn(__fadd_rn(__fmul_rn(0.2989f, v[0]), __fmul_rn(0.587f, v[1])), __fmul_rn(0.114f, v[2]));
  }
}

// sum + the values of the first `count` lanes, in their order.
__device__ float add_in_order(float sum, float value, int count) {
  for (int i = 0; i < kWarpSize; ++i) {
    const float next = __shfl_sync(kFullWarp, value, i);
    if (i < count) sum = __fadd_rn(sum, next);
  }
  return sum;
}

template <int C>
__global__ void warp_kernel(float* y, float* line_grey, const uint8_t* __restrict__ images,
                            const ImageWarp* __restrict__ warps, const float* __restrict__ mean,
                            const float* __restrict__ deviation, Images s) {
  // Pixels are worked out one a lane and written one float a lane.
  __shared__ float staged[kWarps][kWarpSize * C];
  float* stage = staged[threadIdx.x / kWarpSize];
  const int64_t line = warp_in_grid();
  if (line >= s.batch * s.height) return;
  const int64_t image = line / s.height, row = line - image * s.height;
  const ImageWarp& warp = warps[image];
  const uint8_t* from = images + image * s.height * s.width * C;
  float* to = y + line * s.width * C;
  float sum = 0;
  for (int64_t begin = 0; begin < s.width; begin += kWarpSize) {
    const int count = int(min(s.width - begin, int64_t{kWarpSize}));
    float v[C] = {};
    if (lane() < count) warped_pixel<C>(v, from, warp, row, begin + lane(), s.height, s.width);
    if (warp.contrast != 1) {
      sum = add_in_order(sum, grey_of<C>(v), count);
    } else {
      for (int c = 0; c < C; ++c) v[c] = normalised(v[c], mean[c], deviation[c]);
    }
    for (int c = 0; c < C; ++c) stage[lane() * C + c] = v[c];
    __syncwarp();
    for (int i = lane(); i < count * C; i += kWarpSize) to[begin * C + i] = stage[i];
    __syncwarp();  // before the stage is filled again
  }
  if (lane() == 0) line_grey[line] = sum;
}

// grey[image] = the mean over the image, of the sums of its lines; a warp an image.
__global__ void mean_grey_kernel(float* grey, const float* __restrict__ line_grey,
                                 const ImageWarp* __restrict__ warps, Images s) {
  const int64_t image = warp_in_grid();
  if (image >= s.batch || warps[image].contrast == 1) return;
  float sum = 0;
  for (int64_t begin = 0; begin < s.height; begin += kWarpSize) {
    const int count = int(min(s.height - begin, int64_t{kWarpSize}));
    const float value = lane() < count ? line_grey[image * s.height + begin + lane()] : 0;
    sum = add_in_order(sum, value, count);
  }
  if (lane() == 0) grey[image] = __fdiv_rn(sum, float(s.height * s.width));
}

template <int C>
__global__ void contrast_kernel(float* y, const float* __restrict__ grey, const ImageWarp* __restrict__ warps,
                                const float* __restrict__ mean, const float* __restrict__ deviation,
                                Images s) {
  const int64_t line = warp_in_grid();
  if (line >= s.batch * s.height) return;
  const int64_t image = line / s.height;
  const float contrast = warps[image].contrast;
  if (contrast == 1) return;
  const float offset = __fmul_rn(__fsub_rn(1, contrast), grey[image]);
  float* v = y + line * s.width * C;
  for (int64_t i = lane(); i < s.width * C; i += kWarpSize) {
    const int c = int(i % C);
    v[i] = normalised(clamp01(__fadd_rn(__fmul_rn(contrast, v[i]), offset)), mean[c], deviation[c]);
  }
}

template <int C>
void run(float* y, const uint8_t* images, const ImageWarp* warps, const float* mean, const float* deviation,
         Images s) {
  const int64_t lines = s.batch * s.height;
  auto* line_grey = static_cast<float*>(workspace((lines + s.batch) * int64_t(sizeof(float))));
  float* grey = line_grey + lines;
  const dim3 of_lines(unsigned(ceil_div(lines, kWarps))), of_images(unsigned(ceil_div(s.batch, kWarps)));
  const dim3 block(kWarps * kWarpSize);
  launch(warp_kernel<C>, of_lines, block, 0, current_stream(), y, line_grey, images, warps, mean, deviation,
         s);
  launch(mean_grey_kernel, of_images, block, 0, current_stream(), grey, line_grey, warps, s);
  launch(contrast_kernel<C>, of_lines, block, 0, current_stream(), y, grey, warps, mean, deviation, s);
}

}  // namespace

void image_warp(float* y, const uint8_t* images, const ImageWarp* warps, const float* mean,
                const float* deviation, int64_t batch, int64_t height, int64_t width, int64_t channels) {
  if (batch * height * width == 0) return;
  const Images shape{batch, height, width};
  if (channels == 1) {
    run<1>(y, images, warps, mean, deviation, shape);
  } else {
    run<3>(y, images, warps, mean, deviation, shape);
  }
}

}  // namespace signet::cuda
