// Augmentation, with the arithmetic of the reference operation by operation (kernels/ref/image_warp.cpp lists
// it), so that the bits are the same: single float operations in that order, no fused multiply-add.

#include <cmath>

#include "kernels/cpu/chunks.h"
#include "kernels/cpu/scratch.h"
#include "kernels/kernels.h"

namespace signet::cpu {
namespace {

float lerp(float a, float b, float t) {
  return a + t * (b - a);
}

float clamp01(float v) {
  return v < 0 ? 0 : v > 1 ? 1 : v;
}

struct Plane {
  const uint8_t* image;
  int64_t height, width;
};

// v[width * C] = one row of the warped image, in [0, 255].
template <int C>
void warp_row(float* v, const Plane& plane, const ImageWarp& warp, int64_t row) {
  const float* m = warp.m;
  const int64_t height = plane.height, width = plane.width;
  const float centre_x = float(width - 1) / 2, centre_y = float(height - 1) / 2;
  const float oy = float(row) - centre_y;
  for (int64_t col = 0; col < width; ++col, v += C) {
    const float ox = float(col) - centre_x;
    float x = ((m[0] * ox + m[1] * oy) + m[2]) + centre_x;
    float y = ((m[3] * ox + m[4] * oy) + m[5]) + centre_y;
    if (warp.nearest) {
      x = std::floor(x + 0.5f);
      y = std::floor(y + 0.5f);
    }
    if (!(x > -1 && x < float(width) && y > -1 && y < float(height))) {
      for (int c = 0; c < C; ++c) v[c] = 0;
      continue;
    }
    const int64_t left = int64_t(int32_t(std::floor(x))), top = int64_t(int32_t(std::floor(y)));
    const float tx = x - float(left), ty = y - float(top);
    if (left >= 0 && top >= 0 && left + 1 < width && top + 1 < height) {
      const uint8_t* a = plane.image + (top * width + left) * C;
      const uint8_t* b = a + width * C;
      for (int c = 0; c < C; ++c)
        v[c] = lerp(lerp(float(a[c]), float(a[C + c]), tx), lerp(float(b[c]), float(b[C + c]), tx), ty);
    } else {
      const auto pixel = [&](int64_t r, int64_t q, int c) {
        const bool inside = r >= 0 && r < height && q >= 0 && q < width;
        return inside ? float(plane.image[(r * width + q) * C + c]) : 0.0f;
      };
      for (int c = 0; c < C; ++c)
        v[c] = lerp(lerp(pixel(top, left, c), pixel(top, left + 1, c), tx),
                    lerp(pixel(top + 1, left, c), pixel(top + 1, left + 1, c), tx), ty);
    }
  }
}

template <int C>
float row_grey(const float* v, int64_t width) {
  float sum = 0;
  for (int64_t col = 0; col < width; ++col, v += C)
    sum += C == 1 ? v[0] : (0.2989f * v[0] + 0.587f * v[C / 2]) + 0.114f * v[C - 1];
  return sum;
}

template <int C>
void warp_image(float* y, const uint8_t* image, const ImageWarp& warp, const float* mean,
                const float* deviation, int64_t height, int64_t width) {
  const Plane plane{image, height, width};
  const int64_t line = width * C;
  const auto normalise = [&](float* v) {
    for (int64_t i = 0; i < line; i += C)
      for (int c = 0; c < C; ++c) v[i + c] = (v[i + c] - mean[c]) / deviation[c];
  };
  float grey = 0;
  for (int64_t row = 0; row < height; ++row) {
    float* v = y + row * line;
    warp_row<C>(v, plane, warp, row);
    for (int64_t i = 0; i < line; ++i) v[i] /= 255;
    if (warp.brightness != 1)
      for (int64_t i = 0; i < line; ++i) v[i] = clamp01(v[i] * warp.brightness);
    if (warp.contrast != 1) {
      grey += row_grey<C>(v, width);
    } else {
      normalise(v);
    }
  }
  if (warp.contrast == 1) return;
  grey /= float(height * width);
  for (int64_t row = 0; row < height; ++row) {
    float* v = y + row * line;
    for (int64_t i = 0; i < line; ++i) v[i] = clamp01(warp.contrast * v[i] + (1 - warp.contrast) * grey);
    normalise(v);
  }
}

}  // namespace

void image_warp(float* y, const uint8_t* images, const ImageWarp* warps, const float* mean,
                const float* deviation, int64_t batch, int64_t height, int64_t width, int64_t channels) {
  const int64_t size = height * width * channels;
  parallel_for(batch, [&](int64_t b) {
    const auto warp = channels == 1 ? warp_image<1> : warp_image<3>;
    warp(y + b * size, images + b * size, warps[b], mean, deviation, height, width);
  });
}

}  // namespace signet::cpu
