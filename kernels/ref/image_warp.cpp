// Augmentation: each output pixel looks up its source position, so that every pixel is filled exactly once.
//
// Every backend gives the same bits, because every operation here is a single float operation in the order
// written (no fused multiply-add):
//
//   1. source: x = ((m0 * ox + m1 * oy) + m2) + (width - 1) / 2,   y alike from m3, m4, m5
//   2. bilinear, first along the row, then between rows: lerp(a, b, t) = a + t * (b - a)
//   3. v = value / 255
//   4. if brightness != 1: v = clamp(v * brightness)
//   5. if contrast != 1: v = clamp(contrast * v + (1 - contrast) * mean), where mean is the sum of the grey
//      values, each row from left to right, then the rows from top to bottom, over height * width
//   6. y = (v - mean[c]) / deviation[c]
//
// Grey is (0.2989 R + 0.587 G) + 0.114 B, the luma weights of ITU-R BT.601 as torchvision rounds them.

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/ref/scalar.h"

namespace signet::ref {
namespace {

float lerp(float a, float b, float t) {
  return a + t * (b - a);
}

/// The value of one channel at (x, y), black outside; image [height, width, channels], already at the
/// channel.
float bilinear(const uint8_t* image, float x, float y, int64_t height, int64_t width, int64_t channels) {
  // Beyond one pixel from the plane all four neighbours are black (and the conversion to an integer is safe).
  if (!(x > -1 && x < float(width) && y > -1 && y < float(height))) return 0;
  const int64_t left = int64_t(std::floor(x)), top = int64_t(std::floor(y));
  const auto pixel = [&](int64_t row, int64_t col) {
    const bool inside = row >= 0 && row < height && col >= 0 && col < width;
    return inside ? float(image[(row * width + col) * channels]) : 0.0f;
  };
  const float tx = x - float(left), ty = y - float(top);
  return lerp(lerp(pixel(top, left), pixel(top, left + 1), tx),
              lerp(pixel(top + 1, left), pixel(top + 1, left + 1), tx), ty);
}

/// v [height, width, channels], channels 1 or 3.
float mean_grey(const float* v, int64_t height, int64_t width, int64_t channels) {
  float total = 0;
  for (int64_t row = 0; row < height; ++row) {
    float sum = 0;
    for (int64_t col = 0; col < width; ++col, v += channels)
      sum += channels == 1 ? v[0] : (0.2989f * v[0] + 0.587f * v[1]) + 0.114f * v[2];
    total += sum;
  }
  return total / float(height * width);
}

float clamp01(float v) {
  return std::clamp(v, 0.0f, 1.0f);
}

}  // namespace

template <class real>
void image_warp(real* y, const uint8_t* images, const ImageWarp* warps, const real* mean,
                const real* deviation, int64_t batch, int64_t height, int64_t width, int64_t channels) {
  const float centre_x = float(width - 1) / 2, centre_y = float(height - 1) / 2;
  const int64_t size = height * width * channels;
  std::vector<float> v(static_cast<size_t>(size));
  for (int64_t b = 0; b < batch; ++b, images += size, y += size) {
    const ImageWarp& warp = warps[b];
    const float* m = warp.m;
    for (int64_t row = 0; row < height; ++row) {
      for (int64_t col = 0; col < width; ++col) {
        const float ox = float(col) - centre_x, oy = float(row) - centre_y;
        float source_x = ((m[0] * ox + m[1] * oy) + m[2]) + centre_x;
        float source_y = ((m[3] * ox + m[4] * oy) + m[5]) + centre_y;
        if (warp.nearest) {
          source_x = std::floor(source_x + 0.5f);
          source_y = std::floor(source_y + 0.5f);
        }
        for (int64_t c = 0; c < channels; ++c) {
          float& value = v[size_t((row * width + col) * channels + c)];
          value = bilinear(images + c, source_x, source_y, height, width, channels) / 255;
          if (warp.brightness != 1) value = clamp01(value * warp.brightness);
        }
      }
    }
    if (warp.contrast != 1) {
      const float grey = mean_grey(v.data(), height, width, channels);
      for (float& value : v) value = clamp01(warp.contrast * value + (1 - warp.contrast) * grey);
    }
    for (int64_t i = 0; i < size; ++i)
      y[i] = (real(v[size_t(i)]) - mean[i % channels]) / deviation[i % channels];
  }
}

SIGNET_INSTANTIATE(image_warp);

}  // namespace signet::ref
