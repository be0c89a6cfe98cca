// Pooling over NHWC planes, vectorised along the channels in blocks that stay in registers or L1.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pooling.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/activations.h"
#include "kernels/cpu/chunks.h"
#include "kernels/cpu/maximum-inl.h"
#include "kernels/cpu/microkernel-inl.h"
#include "kernels/kernels.h"

#ifndef SIGNET_CPU_POOLING_ONCE
#define SIGNET_CPU_POOLING_ONCE
namespace signet::cpu {
/// The loops over activations of a type, for one instruction set.
template <class act>
struct PoolingLoops {
  void (*maxpool_row)(act* y, int32_t* index, const act* x, bool relu, int64_t oy, const Pool2dShape& s);
  void (*gradient_tiled_row)(act* dx, const act* dy, const int32_t* index, int64_t oy, const Pool2dShape& s);
  void (*gradient_row)(act* dx, const act* dy, const int32_t* index, int64_t iy, const Pool2dShape& s);
  void (*avgpool_image)(float* y, const act* x, int64_t pixels, int64_t channels);
  void (*avgpool_gradient_image)(act* dx, const float* dy, int64_t pixels, int64_t channels);
};
}  // namespace signet::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

constexpr int64_t kPoolBlock = 32;

HWY_INLINE Vector widened(const float* from) {
  return hn::LoadU(Lanes(), from);
}
HWY_INLINE void store_exact(Vector v, float* to) {
  hn::StoreU(v, Lanes(), to);
}

// bfloat16 by its bits, for any processor: a float's upper half.
using Words = hn::RebindToUnsigned<Lanes>;
using Halves = hn::Rebind<uint16_t, Lanes>;
HWY_INLINE hn::Vec<Halves> load_bits(const BFloat16* from) {
  return hn::LoadU(Halves(), reinterpret_cast<const uint16_t*>(from));
}
HWY_INLINE void store_bits(hn::Vec<Halves> bits, BFloat16* to) {
  hn::StoreU(bits, Halves(), reinterpret_cast<uint16_t*>(to));
}
HWY_INLINE Vector widened(const BFloat16* from) {
  return hn::BitCast(Lanes(), hn::ShiftLeft<16>(hn::PromoteTo(Words(), load_bits(from))));
}
// Of a number that is a bfloat16.
HWY_INLINE void store_exact(Vector v, BFloat16* to) {
  store_bits(hn::TruncateTo(Halves(), hn::ShiftRight<16>(hn::BitCast(Words(), v))), to);
}

/// The window [top, bottom) x [left, right) of a plane.
struct Window {
  int64_t top, bottom, left, right;
};

// kLanes channels of one output pixel.
template <bool kPlaces, class act>
HWY_INLINE void maxpool_vector(act* y, int32_t* index, const act* x, bool relu, const Window& w,
                               const Pool2dShape& s) {
  const auto first = int32_t(w.top * s.in_width + w.left);
  Maximum maximum(widened(x + first * s.channels), first);
  for (int64_t iy = w.top; iy < w.bottom; ++iy) {
    for (int64_t ix = w.left; ix < w.right; ++ix) {
      const auto here = int32_t(iy * s.in_width + ix);
      maximum.take(widened(x + here * s.channels), here);
    }
  }
  if (relu) maximum.cut();
  store_exact(maximum.value, y);
  if (kPlaces) maximum.store_place(index);
}

// The same of one channel.
template <class act>
void maxpool_number(act* y, int32_t* index, const act* x, bool relu, const Window& w, const Pool2dShape& s) {
  auto place = int32_t(w.top * s.in_width + w.left);
  float best = x[place * s.channels];
  for (int64_t iy = w.top; iy < w.bottom; ++iy) {
    for (int64_t ix = w.left; ix < w.right; ++ix) {
      const auto here = int32_t(iy * s.in_width + ix);
      const float value = x[here * s.channels];
      if (value > best || value != value) best = value, place = here;
    }
  }
  if (relu && best <= 0) best = 0, place = -1;  // not NaN
  *y = act(best);
  if (index) *index = place;
}

// One row of output pixels. y and index stand at the row, x at the image.
template <bool kPlaces, class act>
void maxpool_row_with(act* y, int32_t* index, const act* x, bool relu, int64_t oy, const Pool2dShape& s) {
  const auto inside = [&](int64_t begin, int64_t extent, int64_t& from, int64_t& to) {
    from = std::max<int64_t>(begin, 0);
    to = std::min(begin + s.kernel, extent);
  };
  Window window;
  inside(oy * s.stride - s.padding, s.in_height, window.top, window.bottom);
  const int64_t whole = s.channels / kLanes * kLanes;
  for (int64_t ox = 0; ox < s.out_width(); ++ox) {
    inside(ox * s.stride - s.padding, s.in_width, window.left, window.right);
    const int64_t at = ox * s.channels;
    int32_t* places = kPlaces ? index + at : nullptr;
    for (int64_t c = 0; c < whole; c += kLanes)
      maxpool_vector<kPlaces>(y + at + c, kPlaces ? places + c : nullptr, x + c, relu, window, s);
    for (int64_t c = whole; c < s.channels; ++c)
      maxpool_number(y + at + c, kPlaces ? places + c : nullptr, x + c, relu, window, s);
  }
}

template <class act>
void maxpool_row(act* y, int32_t* index, const act* x, bool relu, int64_t oy, const Pool2dShape& s) {
  index ? maxpool_row_with<true>(y, index, x, relu, oy, s)
        : maxpool_row_with<false>(y, index, x, relu, oy, s);
}

// The value or 0, chosen among bits: the compiler makes vectors of that for either type.
HWY_INLINE float keep_if(bool kept, float value) {
  return kept ? value : 0;
}
HWY_INLINE BFloat16 keep_if(bool kept, BFloat16 value) {
  value.bits = kept ? value.bits : 0;
  return value;
}

// The gradient of kLanes channels of windows of 2x2 side by side, whose first pixel is `first`.
template <class act>
HWY_INLINE void maxpool_gradient_of_pairs(act* dx, const act* dy, const int32_t* index, int32_t first,
                                          const Pool2dShape& s) {
  const hn::RebindToSigned<Lanes> places;
  const auto place = hn::LoadU(places, index);
  const auto gradient = widened(dy);
  const auto keep = [&](act* to, int32_t here) HWY_ATTR {
    const auto kept = hn::RebindMask(Lanes(), hn::Eq(place, hn::Set(places, here)));
    store_exact(hn::IfThenElseZero(kept, gradient), to);
  };
  act* below = dx + s.in_width * s.channels;
  const int32_t next_line = first + int32_t(s.in_width);
  keep(dx, first);
  keep(dx + s.channels, first + 1);
  keep(below, next_line);
  keep(below + s.channels, next_line + 1);
}

// One row of output pixels where windows neither overlap nor leave gaps: every input pixel belongs to one
// window. dx stands at the first of the window's rows, dy and index at the row.
template <class act>
void maxpool_gradient_tiled_row(act* dx, const act* dy, const int32_t* index, int64_t oy,
                                const Pool2dShape& s) {
  const int64_t channels = s.channels;
  const bool of_pairs = s.kernel == 2 && channels % kLanes == 0;
  for (int64_t ox = 0; ox < s.out_width(); ++ox, dy += channels, index += channels) {
    if (of_pairs) {
      const auto first = int32_t(2 * (oy * s.in_width + ox));
      for (int64_t c = 0; c < channels; c += kLanes)
        maxpool_gradient_of_pairs(dx + 2 * ox * channels + c, dy + c, index + c, first, s);
      continue;
    }
    for (int64_t ky = 0; ky < s.kernel; ++ky) {
      for (int64_t kx = 0; kx < s.kernel; ++kx) {
        const int64_t ix = ox * s.kernel + kx;
        const auto here = int32_t((oy * s.kernel + ky) * s.in_width + ix);
        act* HWY_RESTRICT to = dx + (ky * s.in_width + ix) * channels;
        const int32_t* HWY_RESTRICT place = index;
        const act* HWY_RESTRICT from = dy;
        for (int64_t c = 0; c < channels; ++c) to[c] = keep_if(place[c] == here, from[c]);
      }
    }
  }
}

template <class act>
HWY_INLINE void add_if_here(float* HWY_RESTRICT sums, const act* HWY_RESTRICT from,
                            const int32_t* HWY_RESTRICT place, int32_t here, int64_t count) {
  for (int64_t c = 0; c < count; ++c) sums[c] += place[c] == here ? float(from[c]) : 0.0f;
}

// One row of input pixels: each gathers from the windows that reach it. dx stands at the row, dy and index at
// the image.
template <class act>
void maxpool_gradient_row(act* dx, const act* dy, const int32_t* index, int64_t iy, const Pool2dShape& s) {
  const int64_t out_height = s.out_height(), out_width = s.out_width(), channels = s.channels;
  const auto first_window = [&](int64_t i) {
    const int64_t distance = i + s.padding - s.kernel;
    return distance < 0 ? 0 : distance / s.stride + 1;
  };
  const auto end_window = [&](int64_t i, int64_t windows) {
    const int64_t end = (i + s.padding) / s.stride + 1;
    return end < windows ? end : windows;
  };
  const int64_t top = first_window(iy), bottom = end_window(iy, out_height);
  for (int64_t ix = 0; ix < s.in_width; ++ix) {
    const int32_t here = int32_t(iy * s.in_width + ix);
    const int64_t left = first_window(ix), right = end_window(ix, out_width);
    for (int64_t block = 0; block < channels; block += kPoolBlock) {
      const int64_t count = channels - block < kPoolBlock ? channels - block : kPoolBlock;
      float sums[kPoolBlock] = {};
      for (int64_t oy = top; oy < bottom; ++oy) {
        for (int64_t ox = left; ox < right; ++ox) {
          const int64_t at = (oy * out_width + ox) * channels + block;
          // The full block has a constant length, which lets the compiler keep it in registers.
          if (count == kPoolBlock) {
            add_if_here(sums, dy + at, index + at, here, kPoolBlock);
          } else {
            add_if_here(sums, dy + at, index + at, here, count);
          }
        }
      }
      act* HWY_RESTRICT to = dx + ix * channels + block;
      for (int64_t c = 0; c < count; ++c) to[c] = act(sums[c]);
    }
  }
}

template <class act>
void avgpool_image(float* HWY_RESTRICT y, const act* HWY_RESTRICT x, int64_t pixels, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) y[c] = 0;
  for (int64_t p = 0; p < pixels; ++p, x += channels)
    for (int64_t c = 0; c < channels; ++c) y[c] += x[c];
  const float count = float(pixels);
  for (int64_t c = 0; c < channels; ++c) y[c] /= count;
}

template <class act>
void avgpool_gradient_image(act* HWY_RESTRICT dx, const float* HWY_RESTRICT dy, int64_t pixels,
                            int64_t channels) {
  const float count = float(pixels);
  for (int64_t c = 0; c < channels; ++c) dx[c] = act(dy[c] / count);
  for (int64_t p = 1; p < pixels; ++p)
    for (int64_t c = 0; c < channels; ++c) dx[p * channels + c] = dx[c];
}

template <class act>
constexpr PoolingLoops<act> kLoops{maxpool_row<act>, maxpool_gradient_tiled_row<act>,
                                   maxpool_gradient_row<act>, avgpool_image<act>,
                                   avgpool_gradient_image<act>};

PoolingLoops<float> pooling_loops() {
  return kLoops<float>;
}
PoolingLoops<BFloat16> pooling_loops_bf16() {
  return kLoops<BFloat16>;
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(pooling_loops);
HWY_EXPORT(pooling_loops_bf16);

namespace {
template <class act>
PoolingLoops<act> loops() {
  if constexpr (std::is_same_v<act, float>) {
    return HWY_DYNAMIC_DISPATCH(pooling_loops)();
  } else {
    return HWY_DYNAMIC_DISPATCH(pooling_loops_bf16)();
  }
}
}  // namespace

template <class act>
void maxpool_forward(act* y, int32_t* index, const act* x, bool relu, const Pool2dShape& s) {
  const auto kernel = loops<act>().maxpool_row;
  const int64_t row = s.out_width() * s.channels, plane = s.in_height * s.in_width * s.channels;
  const int64_t grain = std::max<int64_t>(1, kElementGrain / std::max<int64_t>(1, s.stride * s.stride * row));
  parallel_ranges(s.batch * s.out_height(), grain, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t r = begin; r < end; ++r)
      kernel(y + r * row, index ? index + r * row : nullptr, x + r / s.out_height() * plane, relu,
             r % s.out_height(), s);
  });
}

template <class act>
void maxpool_backward(act* dx, const act* dy, const int32_t* index, const Pool2dShape& s) {
  if (s.kernel == s.stride && s.padding == 0 && s.in_height % s.kernel == 0 && s.in_width % s.kernel == 0) {
    const auto kernel = loops<act>().gradient_tiled_row;
    const int64_t row = s.out_width() * s.channels, area = s.kernel * s.kernel;
    const int64_t grain = std::max<int64_t>(1, kElementGrain / std::max<int64_t>(1, area * row));
    parallel_ranges(s.batch * s.out_height(), grain, [&](int64_t begin, int64_t end, int64_t) {
      for (int64_t r = begin; r < end; ++r)
        kernel(dx + r * area * row, dy + r * row, index + r * row, r % s.out_height(), s);
    });
    return;
  }
  const auto kernel = loops<act>().gradient_row;
  const int64_t row = s.in_width * s.channels, plane = s.out_height() * s.out_width() * s.channels;
  const int64_t grain = std::max<int64_t>(1, kElementGrain / std::max<int64_t>(1, row));
  parallel_ranges(s.batch * s.in_height, grain, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t at = r / s.in_height * plane;
      kernel(dx + r * row, dy + at, index + at, r % s.in_height, s);
    }
  });
}

template <class act>
void global_avgpool_forward(float* y, const act* x, int64_t batch, int64_t pixels, int64_t channels) {
  const auto kernel = loops<act>().avgpool_image;
  parallel_for(batch,
               [&](int64_t b) { kernel(y + b * channels, x + b * pixels * channels, pixels, channels); });
}

template <class act>
void global_avgpool_backward(act* dx, const float* dy, int64_t batch, int64_t pixels, int64_t channels) {
  const auto kernel = loops<act>().avgpool_gradient_image;
  if (pixels == 0) return;
  parallel_for(batch,
               [&](int64_t b) { kernel(dx + b * pixels * channels, dy + b * channels, pixels, channels); });
}

SIGNET_INSTANTIATE_ACTIVATIONS(maxpool_forward);
SIGNET_INSTANTIATE_ACTIVATIONS(maxpool_backward);
SIGNET_INSTANTIATE_ACTIVATIONS(global_avgpool_forward);
SIGNET_INSTANTIATE_ACTIVATIONS(global_avgpool_backward);

}  // namespace signet::cpu
#endif
