// A chunk of work is a few rows of an image's output. The rows of the image that it needs are copied once,
// with their padding, into a strip; every product reads the strip in place.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/rgb_conv.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/bf16-inl.h"
#include "kernels/cpu/chunks.h"
#include "kernels/cpu/maximum-inl.h"
#include "kernels/cpu/microkernel-inl.h"
#include "kernels/cpu/rgb_conv.h"
#include "kernels/cpu/scratch.h"

#ifndef SIGNET_CPU_RGB_CONV_ONCE
#define SIGNET_CPU_RGB_CONV_ONCE
namespace signet::cpu {

constexpr int64_t kColors = 3;
constexpr int64_t kStripRows = 8;     // of the output
constexpr int64_t kColumnPanel = 32;  // output channels whose weights are packed together

template <class act>
struct RgbForward : RgbConv<act> {
  const float* panels;
};

/// Gradients from chunks [begin, end).
template <class act>
struct RgbGradient {
  float* dw;
  const act* dy;
  const uint8_t* places;
  const act* x;
  int64_t begin, end;
  bool accumulate;
};

/// The steps for activations of a type, for one instruction set.
template <class act>
struct RgbSteps {
  void (*forward_chunk)(const RgbForward<act>& f, const Conv2dShape& s, int64_t chunk);
  void (*gradient_range)(const RgbGradient<act>& g, const Conv2dShape& s);
};

/// Numbers in a row of the strip: pixels and taps that tiles sticking out of the row read.
inline int64_t strip_line(const Conv2dShape& s) {
  constexpr int64_t kMostTileRows = 14, kMostTaps = 16;
  const int64_t columns = round_up(s.out_width(), kMostTileRows) + kMostTileRows;
  return round_up((columns * s.stride + s.kernel_width) * kColors + kMostTaps, 16);
}

/// Fills the strip for output rows [first, first + rows) of an image.
template <class number, class act>
void fill_strip(number* strip, int64_t line, const act* image, int64_t first, int64_t rows,
                const Conv2dShape& s) {
  const int64_t height = (rows - 1) * s.stride + s.kernel_height, left = s.padding * kColors;
  const int64_t count = std::min(s.in_width * kColors, line - left);
  for (int64_t r = 0; r < height; ++r, strip += line) {
    const int64_t y = first * s.stride - s.padding + r;
    if (y < 0 || y >= s.in_height) {
      std::fill_n(strip, line, number());
      continue;
    }
    std::fill_n(strip, left, number());
    std::copy_n(image + y * s.in_width * kColors, count, strip + left);
    std::fill_n(strip + left + count, line - left - count, number());
  }
}

/// Numbers in the strip.
inline int64_t strip_size(const Conv2dShape& s) {
  return ((kStripRows - 1) * s.stride + s.kernel_height) * strip_line(s);
}

/// The strip for sums over pixels: of bfloat16, each number paired with the one of the next window's pixel.
template <int kPixel, class act>
void fill_steps(float* steps, int64_t line, const act* image, int64_t first, int64_t rows,
                const Conv2dShape& s) {
  if constexpr (std::is_same_v<act, float>) {
    fill_strip(steps, line, image, first, rows, s);
  } else {
    auto* strip = reinterpret_cast<act*>(scratch(Scratch::right, strip_size(s)));
    fill_strip(strip, line, image, first, rows, s);
    auto* pairs = reinterpret_cast<act*>(steps);
    const int64_t height = (rows - 1) * s.stride + s.kernel_height;
    for (int64_t r = 0; r < height; ++r, strip += line, pairs += 2 * line) {
      for (int64_t i = 0; i < line; ++i) {
        pairs[2 * i] = strip[i];
        pairs[2 * i + 1] = i + kPixel < line ? strip[i + kPixel] : act(0.0f);
      }
    }
  }
}

/// Steps of k that a row of a filter takes in the forward products: its taps, or pairs of them, of which the
/// last may lack its second.
template <class act>
int64_t forward_steps(const Conv2dShape& s) {
  return ceil_div(s.kernel_width * kColors, int64_t{kPerSlot<act>});
}

}  // namespace signet::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

// ---- forward

HWY_INLINE Vector broadcast_taps(const float* from) {
  return hn::Set(Lanes(), *from);
}

#if HWY_TARGET == HWY_AVX3
HWY_INLINE Vector broadcast_taps(const BFloat16* from) {
  uint32_t pair = 0;
  std::memcpy(&pair, from, sizeof pair);
  return hn::BitCast(Lanes(), hn::Set(hn::RebindToUnsigned<Lanes>(), pair));
}

// The last tap of a row that has an odd number, without its neighbour of another window: that may be NaN,
// which no weight of zero takes away.
HWY_INLINE Vector broadcast_last_tap(const BFloat16* from) {
  return hn::BitCast(Lanes(), hn::Set(hn::RebindToUnsigned<Lanes>(), uint32_t{from->bits}));
}
#endif

template <int M, int kPixel, class act, class Broadcast>
HWY_INLINE void forward_step(Vector (&sums)[M][kTileVectors], const act* HWY_RESTRICT a,
                             const float* HWY_RESTRICT b, const Broadcast& broadcast) {
  const Lanes d;
  Vector right[kTileVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kTileVectors; ++v) right[v] = hn::Load(d, b + v * kLanes);
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
    const Vector left = broadcast(a + m * kPixel);
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v)
      sums[m][v] = multiply_add<kOperand<act>>(left, right[v], sums[m][v]);
  }
}

/// Columns of the output from `at` on in a row, of which `count` lie inside.
template <int M, int kPixel, class act>
HWY_INLINE void forward_tile(const RgbForward<act>& f, const Conv2dShape& s, const act* HWY_RESTRICT strip,
                             int64_t line, const float* HWY_RESTRICT b, int64_t at, int64_t column,
                             int64_t count) {
  constexpr int V = kTileVectors;
  constexpr int64_t kTaps = kPerSlot<act>;
  const Lanes d;
  Vector sums[M][V];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[m][v] = hn::Zero(d);
  }
  const int64_t taps = s.kernel_width * kColors;
  for (int64_t ky = 0; ky < s.kernel_height; ++ky, strip += line) {
    const act* a = strip;
    // One step at a time: with several, the compiler runs out of registers.
#pragma GCC unroll 1
    for (int64_t k = 0; k + kTaps <= taps; k += kTaps, a += kTaps, b += kColumnPanel) {
      forward_step<M, kPixel>(sums, a, b, [](const act* from) HWY_ATTR { return broadcast_taps(from); });
    }
#if HWY_TARGET == HWY_AVX3
    if constexpr (kTaps == 2) {
      if (taps % kTaps != 0) {
        forward_step<M, kPixel>(sums, a, b,
                                [](const act* from) HWY_ATTR { return broadcast_last_tap(from); });
        b += kColumnPanel;
      }
    }
#endif
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
    if (m < count) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const int64_t place = at + m * s.out_channels + column + v * kLanes;
        Vector value = sums[m][v];
        if (f.bias) value = hn::Add(value, hn::LoadU(d, f.bias + column + v * kLanes));
        if (f.residual) value = hn::Add(value, load(f.residual + place));
        // NaN <= 0 is false, so NaN stays.
        if (f.relu) value = hn::IfThenZeroElse(hn::Le(value, hn::Zero(d)), value);
        store(value, f.y + place);
      }
    }
  }
}

/// One row of the output, in tiles of M pixels.
template <int M, int kPixel, class act>
HWY_INLINE void forward_row(const RgbForward<act>& f, const Conv2dShape& s, const act* strip, int64_t line,
                            int64_t at) {
  const int64_t width = s.out_width(), depth = s.kernel_height * forward_steps<act>(s);
  for (int64_t column = 0; column < s.out_channels; column += kTileVectors * kLanes) {
    const float* b = f.panels + column / kColumnPanel * kColumnPanel * depth + column % kColumnPanel;
    for (int64_t x = 0; x < width; x += M)
      forward_tile<M, kPixel>(f, s, strip + x * kPixel, line, b, at + x * s.out_channels, column, width - x);
  }
}

/// Pools two rows of the output, one after the other in memory, of which the first is row `top` of an image,
/// to row top / 2 of its result.
template <class act>
HWY_INLINE void pool_rows(const RgbForward<act>& f, const Conv2dShape& s, const act* rows, int64_t image,
                          int64_t top) {
  const int64_t width = s.out_width(), channels = s.out_channels;
  int64_t at = (image * (s.out_height() / 2) + top / 2) * (width / 2) * channels;
  for (int64_t x = 0; x + 1 < width; x += 2) {
    for (int64_t c = 0; c < channels; c += kLanes, at += kLanes) {
      const act *upper = rows + x * channels + c, *lower = upper + width * channels;
      Maximum maximum(load(upper), 0);
      maximum.take(load(upper + channels), 1);
      maximum.take(load(lower), 2);
      maximum.take(load(lower + channels), 3);
      maximum.cut();
      store(maximum.value, f.y + at);
      if (f.places) maximum.store_place(f.places + at);
    }
  }
}

template <int kPixel, class act>
HWY_INLINE void forward_rows(const RgbForward<act>& f, const Conv2dShape& s, const act* strip, int64_t line,
                             int64_t first, int64_t rows, int64_t image) {
  // The tile that leaves fewer pixels of the row empty; the larger one if that is all the same.
  constexpr int kLarge = kTileRows, kSmall = kTileRows >= 8 ? 8 : 4;
  const bool small = round_up(s.out_width(), kSmall) < round_up(s.out_width(), kLarge);
  const auto make_row = [&](const RgbForward<act>& to, int64_t r, int64_t at) HWY_ATTR {
    const act* from = strip + r * s.stride * line;
    if (small) {
      forward_row<kSmall, kPixel>(to, s, from, line, at);
    } else {
      forward_row<kLarge, kPixel>(to, s, from, line, at);
    }
  };
  const int64_t row = s.out_width() * s.out_channels;
  if (f.pooled) {
    static_assert(kStripRows % 2 == 0, "a strip begins with windows and ends with them");
    RgbForward<act> to = f;
    to.y = reinterpret_cast<act*>(scratch(Scratch::row, 2 * row / kPerSlot<act>));
    for (int64_t r = 0; r + 1 < rows; r += 2) {
      make_row(to, r, 0);
      make_row(to, r + 1, row);
      pool_rows(f, s, to.y, image, first + r);
    }
    return;
  }
  for (int64_t r = 0; r < rows; ++r) make_row(f, r, (image * s.out_height() + first + r) * row);
}

template <class act>
void rgb_forward_chunk(const RgbForward<act>& f, const Conv2dShape& s, int64_t chunk) {
  const int64_t blocks = ceil_div(s.out_height(), kStripRows), line = strip_line(s);
  const int64_t image = chunk / blocks, first = chunk % blocks * kStripRows;
  const int64_t rows = std::min(kStripRows, s.out_height() - first);
  auto* strip = reinterpret_cast<act*>(scratch(Scratch::left, strip_size(s)));
  fill_strip(strip, line, f.x + image * s.in_height * s.in_width * kColors, first, rows, s);
  if (s.stride == 1) {
    forward_rows<int(kColors)>(f, s, strip, line, first, rows, image);
  } else {
    forward_rows<2 * int(kColors)>(f, s, strip, line, first, rows, image);
  }
}

// ---- gradient by the weights

// The tile of registers: taps of a filter row (colours of its pixels, side by side) by vectors of outputs, so
// that no lane is empty. Of two heights the one that leaves fewer taps empty is taken.
#if HWY_TARGET == HWY_AVX3
constexpr int kFewTaps = 7, kManyTaps = 9, kVectors = 2;
#else
constexpr int kFewTaps = 3, kManyTaps = 3, kVectors = 4;
#endif
constexpr int64_t kOutputs = kVectors * kLanes;
static_assert(kColumnPanel % kOutputs == 0);

HWY_INLINE Vector load_outputs(const float* dy, int64_t) {
  return load(dy);
}

#if HWY_TARGET == HWY_AVX3
HWY_INLINE hn::Vec<hn::RebindToUnsigned<Lanes>> load_words(const BFloat16* from) {
  const hn::Rebind<uint16_t, Lanes> halves;
  return hn::PromoteTo(hn::RebindToUnsigned<Lanes>(),
                       hn::LoadU(halves, reinterpret_cast<const uint16_t*>(from)));
}

// Pairs of a pixel and the one `to_next` numbers further on.
HWY_INLINE Vector load_outputs(const BFloat16* dy, int64_t to_next) {
  return hn::BitCast(Lanes(), hn::Or(load_words(dy), hn::ShiftLeft<16>(load_words(dy + to_next))));
}
#endif

/// Adds to sums [M][kOutputs] what `rows` rows of the output give: dy at its first output, the strip's steps
/// at the first tap.
template <int M, int kPixel, class act>
HWY_INLINE void gradient_tile(float* HWY_RESTRICT sums, const act* HWY_RESTRICT dy,
                              const float* HWY_RESTRICT strip, int64_t line, int64_t rows,
                              const Conv2dShape& s) {
  constexpr int64_t kPixels = kPerSlot<act>;
  const Lanes d;
  Vector tile[M][kVectors];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) tile[m][v] = hn::Load(d, sums + m * kOutputs + v * kLanes);
  }
  for (int64_t r = 0; r < rows; ++r, strip += s.stride * line) {
    const float* left = strip;
    int64_t x = 0;
    for (; x + kPixels <= s.out_width(); x += kPixels, left += kPixels * kPixel) {
      Vector right[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) right[v] = load_outputs(dy + v * kLanes, s.out_channels);
      dy += kPixels * s.out_channels;
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const Vector value = hn::Set(d, left[m]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
          tile[m][v] = multiply_add<kOperand<act>>(value, right[v], tile[m][v]);
      }
    }
#if HWY_TARGET == HWY_AVX3
    if constexpr (kPixels == 2) {
      // The last pixel of an odd number; what its steps have beside it is not to be seen.
      for (; x < s.out_width(); ++x, dy += s.out_channels) {
        for (int m = 0; m < M; ++m) {
          uint32_t pair = 0;
          std::memcpy(&pair, left + m, sizeof pair);
          const Vector value = hn::BitCast(d, hn::Set(hn::RebindToUnsigned<Lanes>(), pair << 16));
          for (int v = 0; v < kVectors; ++v)
            tile[m][v] = hn::MulAdd(value, load(dy + v * kLanes), tile[m][v]);
        }
      }
    }
#endif
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) hn::Store(tile[m][v], d, sums + m * kOutputs + v * kLanes);
  }
}

/// What a pool's gradient spreads to rows [first, first + rows) of an image of the output.
template <class act>
HWY_INLINE void spread_windows(act* to, const RgbGradient<act>& g, const Conv2dShape& s, int64_t image,
                               int64_t first, int64_t rows) {
  const int64_t height = s.out_height() / 2, width = s.out_width() / 2, channels = s.out_channels;
  for (int64_t y = first; y < first + rows; ++y) {
    const int64_t line = (image * height + y / 2) * width * channels;
    for (int64_t x = 0; x < s.out_width(); ++x, to += channels) {
      if (y / 2 >= height || x / 2 >= width) {
        std::fill_n(to, channels, act());
        continue;
      }
      const int64_t at = line + x / 2 * channels;
      const auto own = int32_t(y % 2 * 2 + x % 2);
      for (int64_t c = 0; c < channels; c += kLanes)
        store(won_by(load(g.dy + at + c), g.places + at + c, own), to + c);
    }
  }
}

#if HWY_TARGET == HWY_AVX3
// Of a pool's windows only one pixel has a gradient. So a window is one step of a product instead of four,
// with x picked, lane by lane, from both rows of pixels that a tap sees in it.

/// `count` gradients of windows, 0 without a place, and where the window's pixel of each stands from its
/// first one on: of the lower row kLanes further on, which is how vpermt2ps counts.
HWY_INLINE void pick_windows(float* dy, int32_t* picks, const RgbGradient<float>& g, int64_t first,
                             int64_t count) {
  const Lanes d;
  const hn::RebindToSigned<Lanes> words;
  for (int64_t i = 0; i < count; i += kLanes) {
    const auto place = hn::PromoteTo(words, hn::LoadU(hn::Rebind<uint8_t, Lanes>(), g.places + first + i));
    const auto none = hn::Gt(place, hn::Set(words, 3));
    hn::Store(hn::IfThenZeroElse(hn::RebindMask(d, none), load(g.dy + first + i)), d, dy + i);
    const auto column = hn::Mul(hn::And(place, hn::Set(words, 1)), hn::Set(words, int32_t(kColors)));
    const auto row = hn::Mul(hn::And(place, hn::Set(words, 2)), hn::Set(words, kLanes / 2));
    hn::Store(hn::Add(row, column), words, picks + i);
  }
}

/// For each lane the number that its index, below 2 * kLanes, has in both vectors one after the other.
HWY_INLINE Vector pick_lanes(Vector first, Vector second, hn::Vec<hn::RebindToSigned<Lanes>> index) {
  return Vector{_mm512_permutex2var_ps(first.raw, index.raw, second.raw)};
}

/// gradient_tile from `rows` rows of `across` windows of s.out_channels picked gradients each, at stride 1.
template <int M>
HWY_INLINE void windows_tile(float* HWY_RESTRICT sums, const float* HWY_RESTRICT dy,
                             const int32_t* HWY_RESTRICT picks, const float* HWY_RESTRICT strip, int64_t line,
                             int64_t rows, int64_t across, int64_t channels) {
  const Lanes d;
  const hn::RebindToSigned<Lanes> words;
  Vector tile[M][kVectors];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) tile[m][v] = hn::Load(d, sums + m * kOutputs + v * kLanes);
  }
  for (int64_t r = 0; r < rows; ++r, strip += 2 * line) {
    const float* upper = strip;
    for (int64_t x = 0; x < across; ++x, upper += 2 * kColors, dy += channels, picks += channels) {
      Vector right[kVectors];
      hn::Vec<decltype(words)> pick[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        right[v] = hn::Load(d, dy + v * kLanes);
        pick[v] = hn::Load(words, picks + v * kLanes);
      }
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const auto above = load(upper + m), below = load(upper + line + m);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
          tile[m][v] = hn::MulAdd(pick_lanes(above, below, pick[v]), right[v], tile[m][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) hn::Store(tile[m][v], d, sums + m * kOutputs + v * kLanes);
  }
}

/// Adds to the sums of gradient_range what the windows in rows [first, first + rows) of the output give.
template <int M>
HWY_INLINE void add_windows(float* sums, const RgbGradient<float>& g, const float* strip, int64_t line,
                            int64_t taps, int64_t image, int64_t first, int64_t rows, const Conv2dShape& s) {
  const int64_t height = s.out_height() / 2, across = s.out_width() / 2, count = across * s.out_channels;
  const int64_t total = rows / 2 * count;
  float* dy = scratch(Scratch::row, 2 * total);
  auto* picks = reinterpret_cast<int32_t*>(dy + total);
  pick_windows(dy, picks, g, (image * height + first / 2) * count, total);
  for (int64_t o = 0; o < s.out_channels; o += kOutputs) {
    for (int64_t tap = 0; tap < s.kernel_height * taps; tap += M, sums += M * kOutputs)
      windows_tile<M>(sums, dy + o, picks + o, strip + tap / taps * line + tap % taps, line, rows / 2, across,
                      s.out_channels);
  }
}
#endif

template <int M, int kPixel, class act>
void gradient_range(const RgbGradient<act>& g, const Conv2dShape& s) {
  // Rows of dy that a pass over all tiles keeps in half of an L1 cache.
  constexpr int64_t kPassFloats = 1 << 12;
  const int64_t run = s.kernel_width * kColors, taps = round_up(run, M);
  const int64_t line = strip_line(s), depth = s.kernel_height * taps;
  const int64_t line_of_dy = s.out_width() * s.out_channels;
  const int64_t pass = std::clamp<int64_t>(kPassFloats / line_of_dy, 1, kStripRows);
  // [outputs / kOutputs][depth][kOutputs]
  float* sums = scratch(Scratch::tile, s.out_channels * depth);
  std::fill_n(sums, s.out_channels * depth, 0.0f);
  float* strip = scratch(Scratch::left, strip_size(s));
  const int64_t blocks = ceil_div(s.out_height(), kStripRows);
  for (int64_t chunk = g.begin; chunk < g.end; ++chunk) {
    const int64_t image = chunk / blocks, first = chunk % blocks * kStripRows;
    const int64_t rows = std::min(kStripRows, s.out_height() - first);
    fill_steps<kPixel>(strip, line, g.x + image * s.in_height * s.in_width * kColors, first, rows, s);
#if HWY_TARGET == HWY_AVX3
    if constexpr (std::is_same_v<act, float> && kPixel == kColors) {
      if (g.places) {
        add_windows<M>(sums, g, strip, line, taps, image, first, rows, s);
        continue;
      }
    }
#endif
    for (int64_t row = 0; row < rows; row += pass) {
      const act* dy = g.dy + (image * s.out_height() + first + row) * line_of_dy;
      if (g.places) {
        auto* spread = reinterpret_cast<act*>(scratch(Scratch::row, pass * line_of_dy / kPerSlot<act>));
        spread_windows(spread, g, s, image, first + row, std::min(pass, rows - row));
        dy = spread;
      }
      float* sum = sums;
      for (int64_t o = 0; o < s.out_channels; o += kOutputs) {
        for (int64_t tap = 0; tap < depth; tap += M, sum += M * kOutputs) {
          const float* from = strip + (row * s.stride + tap / taps) * line + tap % taps;
          gradient_tile<M, kPixel>(sum, dy + o, from, line, std::min(pass, rows - row), s);
        }
      }
    }
  }
  float* dw = g.dw;
  for (int64_t o = 0; o < s.out_channels; ++o) {
    const float* sum = sums + o / kOutputs * kOutputs * depth + o % kOutputs;
    for (int64_t ky = 0; ky < s.kernel_height; ++ky, sum += taps * kOutputs) {
      for (int64_t i = 0; i < run; ++i, ++dw) {
        const float value = sum[i * kOutputs];
        *dw = g.accumulate ? *dw + value : value;
      }
    }
  }
}

template <class act>
void rgb_gradient_range(const RgbGradient<act>& g, const Conv2dShape& s) {
  const int64_t run = s.kernel_width * kColors;
  const bool few = round_up(run, kFewTaps) < round_up(run, kManyTaps);
  constexpr int kStep = int(kColors), kTwoSteps = 2 * kStep;
  if (s.stride == 1) {
    few ? gradient_range<kFewTaps, kStep>(g, s) : gradient_range<kManyTaps, kStep>(g, s);
  } else {
    few ? gradient_range<kFewTaps, kTwoSteps>(g, s) : gradient_range<kManyTaps, kTwoSteps>(g, s);
  }
}

RgbSteps<float> rgb_steps() {
  return {rgb_forward_chunk<float>, rgb_gradient_range<float>};
}
// None where the processor does not round to bfloat16.
RgbSteps<BFloat16> rgb_steps_bf16() {
#if HWY_TARGET == HWY_AVX3
  return {rgb_forward_chunk<BFloat16>, rgb_gradient_range<BFloat16>};
#else
  return {};
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(rgb_steps);
HWY_EXPORT(rgb_steps_bf16);

namespace {
int64_t strip_count(const Conv2dShape& s) {
  return s.batch * ceil_div(s.out_height(), kStripRows);
}

template <class act>
RgbSteps<act> steps() {
  if constexpr (std::is_same_v<act, float>) {
    return HWY_DYNAMIC_DISPATCH(rgb_steps)();
  } else {
    return HWY_DYNAMIC_DISPATCH(rgb_steps_bf16)();
  }
}
}  // namespace

bool rgb_applies(const Conv2dShape& s) {
  return s.in_channels == kColors && s.dilation == 1 && (s.stride == 1 || s.stride == 2) &&
         s.out_channels % kColumnPanel == 0 && s.out_size() > 0 && s.kernel_width <= 11;
}

namespace {
/// Writes the steps of one filter, kColumnPanel apart. What rounding takes from a weight is given to the next
/// one of its colour: pixels beside each other are alike, so that the errors cancel in most windows, as those
/// of grey values do in Floyd and Steinberg's error diffusion (1976).
template <class act>
void pack_filter(float* to, const float* w, const Conv2dShape& s) {
  float carried[kColors] = {};
  for (int64_t ky = 0; ky < s.kernel_height; ++ky, to += forward_steps<act>(s) * kColumnPanel) {
    for (int64_t k = 0; k < s.kernel_width * kColors; ++k, ++w) {
      float& carry = carried[k % kColors];
      const act weight(*w + carry);
      if constexpr (!std::is_same_v<act, float>) carry += *w - float(weight);
      reinterpret_cast<act*>(to + k / kPerSlot<act> * kColumnPanel)[k % kPerSlot<act>] = weight;
    }
  }
}
}  // namespace

template <class act>
void rgb_forward(const RgbConv<act>& conv, const float* w, const Conv2dShape& s) {
  const int64_t depth = s.kernel_height * forward_steps<act>(s);
  // [panel][step of k][kColumnPanel]
  float* panels = scratch(Scratch::weights, s.out_channels * depth);
  std::fill_n(panels, s.out_channels * depth, 0.0f);
  for (int64_t o = 0; o < s.out_channels; ++o) {
    float* to = panels + o / kColumnPanel * kColumnPanel * depth + o % kColumnPanel;
    pack_filter<act>(to, w + o * (s.weight_size() / s.out_channels), s);
  }
  const RgbForward<act> forward{conv, panels};
  const auto kernel = steps<act>().forward_chunk;
  parallel_for(strip_count(s), [&](int64_t chunk) { kernel(forward, s, chunk); });
}

int64_t rgb_copies(const Conv2dShape& s) {
  constexpr int64_t kMostCopies = 16;
  const int64_t strips = strip_count(s);
  return ceil_div(strips, ceil_div(strips, kMostCopies));  // none of them empty
}

template <class act>
void rgb_backward_weight(float* dw, int64_t copies, bool accumulate, const act* dy, const uint8_t* places,
                         const act* x, const Conv2dShape& s) {
  const int64_t strips = strip_count(s), range = ceil_div(strips, copies);
  const auto kernel = steps<act>().gradient_range;
  parallel_for(copies, [&](int64_t copy) {
    kernel({.dw = dw + copy * s.weight_size(),
            .dy = dy,
            .places = places,
            .x = x,
            .begin = copy * range,
            .end = std::min(strips, (copy + 1) * range),
            .accumulate = accumulate},
           s);
  });
}

SIGNET_INSTANTIATE_ACTIVATIONS(rgb_forward);
SIGNET_INSTANTIATE_ACTIVATIONS(rgb_backward_weight);

}  // namespace signet::cpu
#endif
