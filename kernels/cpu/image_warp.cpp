// Augmentation, with the arithmetic of the reference operation by operation (kernels/ref/image_warp.cpp lists
// it), so that the bits are the same: single float operations in that order, no fused multiply-add.
//
// A vector holds neighbouring pixels of a row, each channel in a vector of its own. The four pixels around a
// source position are fetched by two gathers of 32 bits in each of two rows; positions whose four pixels do
// not all lie in the image are few, and done one by one.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/image_warp.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cpu/chunks.h"
#include "kernels/kernels.h"

#ifndef SIGNET_CPU_IMAGE_WARP_ONCE
#define SIGNET_CPU_IMAGE_WARP_ONCE
namespace signet::cpu {

/// One image, how it is drawn, and where to.
struct WarpJob {
  float* y;
  const uint8_t* image;
  const ImageWarp* warp;
  const float *mean, *deviation;
  int64_t height, width;
};

inline float lerp(float a, float b, float t) {
  return a + t * (b - a);
}

/// Channel c at (x, y) where some of the four pixels around it lie outside, and count as black.
inline float bilinear_at_edge(const WarpJob& job, float x, float y, int64_t channels, int64_t c) {
  if (!(x > -1 && x < float(job.width) && y > -1 && y < float(job.height))) return 0;
  const int64_t left = int64_t(std::floor(x)), top = int64_t(std::floor(y));
  const auto pixel = [&](int64_t row, int64_t col) {
    const bool inside = row >= 0 && row < job.height && col >= 0 && col < job.width;
    return inside ? float(job.image[(row * job.width + col) * channels + c]) : 0.0f;
  };
  const float tx = x - float(left), ty = y - float(top);
  return lerp(lerp(pixel(top, left), pixel(top, left + 1), tx),
              lerp(pixel(top + 1, left), pixel(top + 1, left + 1), tx), ty);
}

}  // namespace signet::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Pixels = hn::ScalableTag<float>;
using Offsets = hn::RebindToSigned<Pixels>;
using PixelVector = hn::Vec<Pixels>;
constexpr int64_t kPixelLanes = int64_t(hn::MaxLanes(Pixels()));

HWY_INLINE PixelVector lerp_vectors(PixelVector a, PixelVector b, PixelVector t) {
  return hn::Add(a, hn::Mul(t, hn::Sub(b, a)));
}

/// The 32 bits at each byte offset.
HWY_INLINE hn::Vec<Offsets> gather_words(const uint8_t* from, hn::Vec<Offsets> at) {
  const Offsets d;
#if HWY_TARGET <= HWY_AVX2
  return hn::GatherOffset(d, reinterpret_cast<const int32_t*>(from), at);
#else
  alignas(64) int32_t words[kPixelLanes];
  hn::Store(at, d, words);
  for (int32_t& word : words) std::memcpy(&word, from + word, sizeof word);
  return hn::Load(d, words);
#endif
}

template <int kByte>
HWY_INLINE PixelVector byte_of(hn::Vec<Offsets> words) {
  const hn::RebindToUnsigned<Pixels> unsigned_d;
  const auto byte =
      hn::And(hn::ShiftRight<8 * kByte>(hn::BitCast(unsigned_d, words)), hn::Set(unsigned_d, 0xFF));
  return hn::ConvertTo(Pixels(), hn::BitCast(Offsets(), byte));
}

/// lerp between the pixels at byte offsets `at` and their right neighbours, by channel.
template <int C>
HWY_INLINE void lerp_pair(PixelVector (&v)[C], const uint8_t* image, hn::Vec<Offsets> at, PixelVector t) {
  const auto first = gather_words(image, at);
  if constexpr (C == 1) {
    v[0] = lerp_vectors(byte_of<0>(first), byte_of<1>(first), t);
  } else {
    // R G B R' and B R' G' B': the six bytes and none beyond.
    const auto second = gather_words(image + 2, at);
    v[0] = lerp_vectors(byte_of<0>(first), byte_of<1>(second), t);
    v[1] = lerp_vectors(byte_of<1>(first), byte_of<2>(second), t);
    v[2] = lerp_vectors(byte_of<2>(first), byte_of<3>(second), t);
  }
}

/// The source positions of a vector of pixels.
struct Positions {
  PixelVector x, y;
};

/// Channels of the image at the positions, of which `count` matter, in [0, 255].
template <int C>
HWY_INLINE void read_image(PixelVector (&v)[C], const WarpJob& job, const Positions& p, int64_t count) {
  const Pixels d;
  const Offsets di;
  const auto floor_x = hn::Floor(p.x), floor_y = hn::Floor(p.y);
  auto inside =
      hn::And(hn::And(hn::Ge(floor_x, hn::Zero(d)), hn::Lt(floor_x, hn::Set(d, float(job.width - 1)))),
              hn::And(hn::Ge(floor_y, hn::Zero(d)), hn::Lt(floor_y, hn::Set(d, float(job.height - 1)))));
  const auto left = hn::ConvertTo(di, hn::IfThenElseZero(inside, floor_x));
  const auto top = hn::ConvertTo(di, hn::IfThenElseZero(inside, floor_y));
  const auto line = hn::Set(di, int32_t(job.width * C));
  const auto above = hn::Add(hn::Mul(top, line), hn::Mul(left, hn::Set(di, C)));
  auto below = hn::Add(above, line);
  if constexpr (C == 1) {
    // A word reaches two bytes beyond the pair.
    const auto fits = hn::Lt(below, hn::Set(di, int32_t(job.height * job.width - 3)));
    inside = hn::And(inside, hn::RebindMask(d, fits));
    below = hn::IfThenElseZero(fits, below);
  }
  const auto wanted = hn::FirstN(d, size_t(count));
  for (auto& channel : v) channel = hn::Zero(d);
  if (!hn::AllFalse(d, hn::And(inside, wanted))) {
    PixelVector lower[C];
    const auto t = hn::Sub(p.x, floor_x);
    const auto above_or_first = hn::IfThenElseZero(hn::RebindMask(di, inside), above);
    lerp_pair<C>(v, job.image, above_or_first, t);
    lerp_pair<C>(lower, job.image, hn::IfThenElseZero(hn::RebindMask(di, inside), below), t);
    for (int c = 0; c < C; ++c) v[c] = lerp_vectors(v[c], lower[c], hn::Sub(p.y, floor_y));
  }
  const auto at_edge = hn::AndNot(inside, wanted);
  if (hn::AllFalse(d, at_edge)) return;
  alignas(64) float x[kPixelLanes], y[kPixelLanes], values[C][kPixelLanes], edge[kPixelLanes];
  hn::Store(p.x, d, x);
  hn::Store(p.y, d, y);
  hn::Store(hn::IfThenElseZero(at_edge, hn::Set(d, 1.0f)), d, edge);
  for (int c = 0; c < C; ++c) hn::Store(v[c], d, values[c]);
  for (int64_t i = 0; i < count; ++i)
    for (int c = 0; c < C && edge[i] != 0; ++c) values[c][i] = bilinear_at_edge(job, x[i], y[i], C, c);
  for (int c = 0; c < C; ++c) v[c] = hn::Load(d, values[c]);
}

HWY_INLINE PixelVector clamp01(PixelVector v) {
  const Pixels d;
  return hn::Min(hn::Max(v, hn::Zero(d)), hn::Set(d, 1.0f));
}

/// Stores the first `count` pixels, channels side by side.
template <int C>
HWY_INLINE void store_pixels(float* to, const PixelVector (&v)[C], int64_t count) {
  const Pixels d;
  const auto store = [&](float* out) HWY_ATTR {
    if constexpr (C == 1) {
      hn::StoreU(v[0], d, out);
    } else {
      hn::StoreInterleaved3(v[0], v[1], v[2], d, out);
    }
  };
  if (count == kPixelLanes) return store(to);
  float all[C * kPixelLanes];
  store(all);
  std::memcpy(to, all, size_t(count * C) * sizeof(float));
}

/// One row, up to step 4 of the reference, and to its end where the contrast stays.
template <int C>
HWY_INLINE void warp_row(const WarpJob& job, int64_t row) {
  const Pixels d;
  const ImageWarp& warp = *job.warp;
  const float* m = warp.m;
  const float centre_x = float(job.width - 1) / 2, centre_y = float(job.height - 1) / 2;
  const float oy = float(row) - centre_y;
  const auto y_part_of_x = hn::Set(d, m[1] * oy), y_part_of_y = hn::Set(d, m[4] * oy);
  for (int64_t col = 0; col < job.width; col += kPixelLanes) {
    const int64_t count = std::min(kPixelLanes, job.width - col);
    const auto ox = hn::Sub(hn::Iota(d, float(col)), hn::Set(d, centre_x));
    Positions p;
    p.x = hn::Add(hn::Add(hn::Add(hn::Mul(hn::Set(d, m[0]), ox), y_part_of_x), hn::Set(d, m[2])),
                  hn::Set(d, centre_x));
    p.y = hn::Add(hn::Add(hn::Add(hn::Mul(hn::Set(d, m[3]), ox), y_part_of_y), hn::Set(d, m[5])),
                  hn::Set(d, centre_y));
    if (warp.nearest) {
      p.x = hn::Floor(hn::Add(p.x, hn::Set(d, 0.5f)));
      p.y = hn::Floor(hn::Add(p.y, hn::Set(d, 0.5f)));
    }
    PixelVector v[C];
    read_image<C>(v, job, p, count);
    for (int c = 0; c < C; ++c) {
      v[c] = hn::Div(v[c], hn::Set(d, 255.0f));
      if (warp.brightness != 1) v[c] = clamp01(hn::Mul(v[c], hn::Set(d, warp.brightness)));
      if (warp.contrast == 1)
        v[c] = hn::Div(hn::Sub(v[c], hn::Set(d, job.mean[c])), hn::Set(d, job.deviation[c]));
    }
    store_pixels<C>(job.y + (row * job.width + col) * C, v, count);
  }
}

template <int C>
HWY_INLINE float row_grey(const float* v, int64_t width) {
  float sum = 0;
  for (int64_t col = 0; col < width; ++col, v += C)
    sum += C == 1 ? v[0] : (0.2989f * v[0] + 0.587f * v[C / 2]) + 0.114f * v[C - 1];
  return sum;
}

/// Steps 5 and 6.
template <int C>
HWY_INLINE void change_contrast(const WarpJob& job) {
  const float contrast = job.warp->contrast;
  const int64_t line = job.width * C;
  float grey = 0;
  for (int64_t row = 0; row < job.height; ++row) grey += row_grey<C>(job.y + row * line, job.width);
  grey /= float(job.height * job.width);
  for (int64_t i = 0; i < job.height * line; i += C) {
    for (int c = 0; c < C; ++c) {
      const float v = contrast * job.y[i + c] + (1 - contrast) * grey;
      job.y[i + c] = ((v < 0 ? 0 : v > 1 ? 1 : v) - job.mean[c]) / job.deviation[c];
    }
  }
}

template <int C>
HWY_INLINE void warp_channels(const WarpJob& job) {
  for (int64_t row = 0; row < job.height; ++row) warp_row<C>(job, row);
  if (job.warp->contrast != 1) change_contrast<C>(job);
}

void warp_image(const WarpJob& job, int64_t channels) {
  if (channels == 1) {
    warp_channels<1>(job);
  } else {
    warp_channels<3>(job);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(warp_image);

void image_warp(float* y, const uint8_t* images, const ImageWarp* warps, const float* mean,
                const float* deviation, int64_t batch, int64_t height, int64_t width, int64_t channels) {
  const int64_t size = height * width * channels;
  const auto kernel = HWY_DYNAMIC_DISPATCH(warp_image);
  parallel_for(batch, [&](int64_t b) {
    kernel({.y = y + b * size,
            .image = images + b * size,
            .warp = warps + b,
            .mean = mean,
            .deviation = deviation,
            .height = height,
            .width = width},
           channels);
  });
}

}  // namespace signet::cpu
#endif
