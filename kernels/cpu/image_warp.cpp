// Augmentation, with the arithmetic of the reference operation by operation (kernels/ref/image_warp.cpp lists
// it), so that the bits are the same: single float operations in that order, no fused multiply-add.
//
// A vector holds neighbouring pixels of a row, each channel in a vector of its own. The pixels around a
// source position are fetched by two plain loads, one a row of the source, into a buffer from which vectors
// are then taken: faster than gathers, which on Zen 4 cost several times their elements' loads. Positions
// whose four pixels do not all lie in the image are few, and done one by one.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/image_warp.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/chunks.h"
#include "kernels/cpu/scratch.h"
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

/// Channel c at (x, y), less than a pixel from the image, where some of the four pixels around it may lie
/// outside, and count as black.
inline float bilinear_at_edge(const WarpJob& job, float x, float y, int64_t channels, int64_t c) {
  const int64_t left = int64_t(std::floor(x)), top = int64_t(std::floor(y));
  const auto pixel = [&](int64_t row, int64_t col) {
    const bool inside = row >= 0 && row < job.height && col >= 0 && col < job.width;
    return inside ? float(job.image[(row * job.width + col) * channels + c]) : 0.0f;
  };
  const float tx = x - float(left), ty = y - float(top);
  return lerp(lerp(pixel(top, left), pixel(top, left + 1), tx),
              lerp(pixel(top + 1, left), pixel(top + 1, left + 1), tx), ty);
}

/// upper[i] = the bytes at image + above[i], lower[i] = those one row further. Not inlined: given wide
/// vectors, the compiler takes the offsets out of them again one by one.
template <class Pair, class Kept>
[[gnu::noinline]] void copy_pairs(Kept* upper, Kept* lower, const uint8_t* image, int64_t pitch,
                                  const int32_t* above, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    Pair first, second;
    std::memcpy(&first, image + above[i], sizeof first);
    std::memcpy(&second, image + above[i] + pitch, sizeof second);
    upper[i] = first;
    lower[i] = second;
  }
}

}  // namespace signet::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Pixels = hn::ScalableTag<float>;
using Offsets = hn::RebindToSigned<Pixels>;
using Words = hn::RebindToUnsigned<Pixels>;
using PixelVector = hn::Vec<Pixels>;
constexpr int64_t kPixelLanes = int64_t(hn::MaxLanes(Pixels()));

HWY_INLINE PixelVector lerp_vectors(PixelVector a, PixelVector b, PixelVector t) {
  return hn::Add(a, hn::Mul(t, hn::Sub(b, a)));
}

/// Byte kByte of each 32-bit word, as a float.
template <int kByte>
HWY_INLINE PixelVector byte_of(hn::Vec<Words> words) {
  const auto byte = hn::And(hn::ShiftRight<8 * kByte>(words), hn::Set(Words(), 0xFF));
  return hn::ConvertTo(Pixels(), hn::BitCast(Offsets(), byte));
}

/// What is done to one run of a row's pixels before the next, so that buffers stay small.
constexpr int64_t kRun = 64;

/// A pixel and its right neighbour, as they lie in the image: two bytes of two grey pixels; six of two colour
/// pixels and two that follow.
template <int C>
using Pair = std::conditional_t<C == 1, uint16_t, uint64_t>;

/// The source positions of a run, and the pixels around them where all lie in the image.
template <int C>
struct Sources {
  alignas(64) float x[kRun], y[kRun];
  alignas(64) int32_t above[kRun];  ///< byte offset of the upper pair; 0 where it is not all inside
  // Grey pairs are widened to 32 bits.
  using Kept = std::conditional_t<C == 1, uint32_t, uint64_t>;
  alignas(64) Kept upper[kRun], lower[kRun];
};

/// Where the four pixels around (x, y) can be read as two pairs.
template <int C>
HWY_INLINE hn::Mask<Pixels> all_inside(const WarpJob& job, PixelVector floor_x, PixelVector floor_y) {
  const Pixels d;
  const auto inside =
      hn::And(hn::And(hn::Ge(floor_x, hn::Zero(d)), hn::Lt(floor_x, hn::Set(d, float(job.width - 1)))),
              hn::And(hn::Ge(floor_y, hn::Zero(d)), hn::Lt(floor_y, hn::Set(d, float(job.height - 1)))));
  if constexpr (C == 1) return inside;
  // The last pair of the image ends two bytes before what a load of it reads.
  const auto last_row = hn::Eq(floor_y, hn::Set(d, float(job.height - 2)));
  const auto last_pair = hn::Eq(floor_x, hn::Set(d, float(job.width - 2)));
  return hn::AndNot(hn::And(last_row, last_pair), inside);
}

template <int C>
HWY_INLINE void find_sources(Sources<C>& s, const WarpJob& job, int64_t row, int64_t col, int64_t count) {
  const Pixels d;
  const Offsets di;
  const float* m = job.warp->m;
  const float centre_x = float(job.width - 1) / 2, centre_y = float(job.height - 1) / 2;
  const float oy = float(row) - centre_y;
  const auto y_part_of_x = hn::Set(d, m[1] * oy), y_part_of_y = hn::Set(d, m[4] * oy);
  const auto line = hn::Set(di, int32_t(job.width * C));
  for (int64_t i = 0; i < count; i += kPixelLanes) {
    const auto ox = hn::Sub(hn::Iota(d, float(col + i)), hn::Set(d, centre_x));
    auto x = hn::Add(hn::Add(hn::Add(hn::Mul(hn::Set(d, m[0]), ox), y_part_of_x), hn::Set(d, m[2])),
                     hn::Set(d, centre_x));
    auto y = hn::Add(hn::Add(hn::Add(hn::Mul(hn::Set(d, m[3]), ox), y_part_of_y), hn::Set(d, m[5])),
                     hn::Set(d, centre_y));
    if (job.warp->nearest) {
      x = hn::Floor(hn::Add(x, hn::Set(d, 0.5f)));
      y = hn::Floor(hn::Add(y, hn::Set(d, 0.5f)));
    }
    const auto floor_x = hn::Floor(x), floor_y = hn::Floor(y);
    const auto inside = all_inside<C>(job, floor_x, floor_y);
    const auto left = hn::ConvertTo(di, hn::IfThenElseZero(inside, floor_x));
    const auto top = hn::ConvertTo(di, hn::IfThenElseZero(inside, floor_y));
    hn::Store(x, d, s.x + i);
    hn::Store(y, d, s.y + i);
    hn::Store(hn::Add(hn::Mul(top, line), hn::Mul(left, hn::Set(di, C))), di, s.above + i);
  }
  const int64_t pitch = job.width * C;
  // Else nothing lies inside.
  if (job.height * pitch < pitch + int64_t(sizeof(Pair<C>))) return;
  copy_pairs<Pair<C>>(s.upper, s.lower, job.image, pitch, s.above, count);
}

/// lerp by channel between the pixels of the kPixelLanes pairs from `pairs` on.
HWY_INLINE void lerp_pairs(PixelVector (&v)[1], const uint32_t* pairs, PixelVector t) {
  const auto words = hn::Load(Words(), pairs);
  v[0] = lerp_vectors(byte_of<0>(words), byte_of<1>(words), t);
}
HWY_INLINE void lerp_pairs(PixelVector (&v)[3], const uint64_t* pairs, PixelVector t) {
  const Words d;
  const auto* words = reinterpret_cast<const uint32_t*>(pairs);
  const auto low = hn::Load(d, words), high = hn::Load(d, words + kPixelLanes);
#if HWY_TARGET == HWY_SCALAR
  const auto first = low, second = high;
#else
  const auto first = hn::ConcatEven(d, high, low), second = hn::ConcatOdd(d, high, low);
#endif
  // `first` has R G B R', `second` G' B' and two bytes of no use.
  v[0] = lerp_vectors(byte_of<0>(first), byte_of<3>(first), t);
  v[1] = lerp_vectors(byte_of<1>(first), byte_of<0>(second), t);
  v[2] = lerp_vectors(byte_of<2>(first), byte_of<1>(second), t);
}

/// Channels of the image, in [0, 255], at the sources from `i` on, of which `count` matter.
template <int C>
HWY_INLINE void read_image(PixelVector (&v)[C], const WarpJob& job, const Sources<C>& s, int64_t i,
                           int64_t count) {
  const Pixels d;
  const auto x = hn::Load(d, s.x + i), y = hn::Load(d, s.y + i);
  const auto floor_x = hn::Floor(x), floor_y = hn::Floor(y);
  const auto inside = all_inside<C>(job, floor_x, floor_y);
  for (auto& channel : v) channel = hn::Zero(d);
  if (!hn::AllFalse(d, inside)) {
    PixelVector lower[C];
    const auto t = hn::Sub(x, floor_x);
    lerp_pairs(v, s.upper + i, t);
    lerp_pairs(lower, s.lower + i, t);
    for (int c = 0; c < C; ++c)
      v[c] = hn::IfThenElseZero(inside, lerp_vectors(v[c], lower[c], hn::Sub(y, floor_y)));
  }
  // Beyond one pixel from the plane everything is black.
  const auto near = hn::And(hn::And(hn::Gt(x, hn::Set(d, -1.0f)), hn::Lt(x, hn::Set(d, float(job.width)))),
                            hn::And(hn::Gt(y, hn::Set(d, -1.0f)), hn::Lt(y, hn::Set(d, float(job.height)))));
  const auto at_edge = hn::And(hn::AndNot(inside, near), hn::FirstN(d, size_t(count)));
  if (hn::AllFalse(d, at_edge)) return;
  alignas(64) float values[C][kPixelLanes], edge[kPixelLanes];
  hn::Store(hn::IfThenElseZero(at_edge, hn::Set(d, 1.0f)), d, edge);
  for (int c = 0; c < C; ++c) hn::Store(v[c], d, values[c]);
  for (int64_t k = 0; k < count; ++k)
    for (int c = 0; c < C && edge[k] != 0; ++c)
      values[c][k] = bilinear_at_edge(job, s.x[i + k], s.y[i + k], C, c);
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

/// The grey of each pixel.
template <int C>
HWY_INLINE PixelVector grey_of(const PixelVector (&v)[C]) {
  const Pixels d;
  if constexpr (C == 1) return v[0];
  return hn::Add(hn::Add(hn::Mul(hn::Set(d, 0.2989f), v[0]), hn::Mul(hn::Set(d, 0.587f), v[C / 2])),
                 hn::Mul(hn::Set(d, 0.114f), v[C - 1]));
}

/// One row, up to step 4 of the reference, and to its end where the contrast stays. Where it changes, `grey`
/// receives the grey of each pixel, kPixelLanes - 1 more than the row has.
template <int C>
HWY_INLINE void warp_row(const WarpJob& job, int64_t row, float* grey) {
  const Pixels d;
  const ImageWarp& warp = *job.warp;
  Sources<C> sources;
  for (int64_t col = 0; col < job.width; col += kRun) {
    const int64_t run = std::min(kRun, job.width - col);
    find_sources(sources, job, row, col, run);
    for (int64_t i = 0; i < run; i += kPixelLanes) {
      const int64_t count = std::min(kPixelLanes, run - i);
      PixelVector v[C];
      read_image<C>(v, job, sources, i, count);
      for (int c = 0; c < C; ++c) {
        v[c] = hn::Div(v[c], hn::Set(d, 255.0f));
        if (warp.brightness != 1) v[c] = clamp01(hn::Mul(v[c], hn::Set(d, warp.brightness)));
      }
      if (warp.contrast != 1) {
        hn::StoreU(grey_of<C>(v), d, grey + col + i);
      } else {
        for (int c = 0; c < C; ++c)
          v[c] = hn::Div(hn::Sub(v[c], hn::Set(d, job.mean[c])), hn::Set(d, job.deviation[c]));
      }
      store_pixels<C>(job.y + (row * job.width + col + i) * C, v, count);
    }
  }
}

/// Rows whose greys are added side by side: each sum is a chain of additions, so that one alone waits.
constexpr int64_t kGreyRows = 8;

/// The sums of rows of greys, each from left to right, added to `sum` from top to bottom.
HWY_INLINE void add_greys(float& sum, const float* grey, int64_t rows, int64_t width, int64_t pitch) {
  float sums[kGreyRows] = {};
  if (rows == kGreyRows) {
    for (int64_t col = 0; col < width; ++col)
      for (int64_t r = 0; r < kGreyRows; ++r) sums[r] += grey[r * pitch + col];
  } else {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t col = 0; col < width; ++col) sums[r] += grey[r * pitch + col];
  }
  for (int64_t r = 0; r < rows; ++r) sum += sums[r];
}

/// Steps 5 and 6.
template <int C>
HWY_INLINE void change_contrast(const WarpJob& job, float grey) {
  const Pixels d;
  const float contrast = job.warp->contrast, shift = (1 - contrast) * grey;
  // Means and deviations as they lie beside C vectors of the image.
  float means[C * kPixelLanes], deviations[C * kPixelLanes];
  for (int64_t i = 0; i < C * kPixelLanes; ++i)
    means[i] = job.mean[i % C], deviations[i] = job.deviation[i % C];
  const int64_t size = job.height * job.width * C, whole = size - size % (C * kPixelLanes);
  for (int64_t i = 0; i < whole; i += C * kPixelLanes) {
    for (int64_t k = 0; k < C * kPixelLanes; k += kPixelLanes) {
      float* y = job.y + i + k;
      const auto v = clamp01(hn::Add(hn::Mul(hn::Set(d, contrast), hn::LoadU(d, y)), hn::Set(d, shift)));
      hn::StoreU(hn::Div(hn::Sub(v, hn::LoadU(d, means + k)), hn::LoadU(d, deviations + k)), d, y);
    }
  }
  for (int64_t i = whole; i < size; ++i) {
    const float v = contrast * job.y[i] + shift;
    job.y[i] = ((v < 0 ? 0 : v > 1 ? 1 : v) - means[i - whole]) / deviations[i - whole];
  }
}

template <int C>
HWY_INLINE void warp_channels(const WarpJob& job) {
  if (job.warp->contrast == 1) {
    for (int64_t row = 0; row < job.height; ++row) warp_row<C>(job, row, nullptr);
    return;
  }
  const int64_t pitch = job.width + kPixelLanes - 1;
  float* greys = scratch(Scratch::row, kGreyRows * pitch);
  float sum = 0;
  for (int64_t row = 0; row < job.height; row += kGreyRows) {
    const int64_t rows = std::min(kGreyRows, job.height - row);
    for (int64_t r = 0; r < rows; ++r) warp_row<C>(job, row + r, greys + r * pitch);
    add_greys(sum, greys, rows, job.width, pitch);
  }
  change_contrast<C>(job, sum / float(job.height * job.width));
}

void warp_image(const WarpJob& job, int64_t channels) {
  // A warp reads lines of memory in no order that a processor foresees: they are asked for in order first.
  for (int64_t at = 0; at < job.height * job.width * channels; at += 64) hwy::Prefetch(job.image + at);
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
