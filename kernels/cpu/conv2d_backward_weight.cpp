// The gradient by the weights is a matrix product over pixels: dw[o, k] = sum over m of dy[m, o] * X[m, k],
// with X the gathered input of gather.h. Blocks of pixels are packed, dy as [o / rows][pixel][rows] and X as
// panels [pixel][width], and update a cache-resident part of dw tile by tile. Of bfloat16 two pixels are a
// step, whose products are added as a pair.
//
// Work is cut into panels of k, and, where dw is small, into ranges of pixels with a copy of dw each, merged
// in their order. Both cuts depend on the shape alone.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv2d_backward_weight.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <type_traits>

#include "kernels/cpu/activations.h"
#include "kernels/cpu/bf16_products.h"
#include "kernels/cpu/chunks.h"
#include "kernels/cpu/conv2d_pooled.h"
#include "kernels/cpu/conv_algorithm.h"
#include "kernels/cpu/gather-inl.h"
#include "kernels/cpu/microkernel-inl.h"
#include "kernels/cpu/rgb_conv.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd.h"
#include "kernels/kernels.h"

#ifndef SIGNET_CPU_BACKWARD_WEIGHT_ONCE
#define SIGNET_CPU_BACKWARD_WEIGHT_ONCE
namespace signet::cpu {
// dw [out_channels, x.columns()] from pixels [row_begin, row_end) and panels [panel_begin, panel_end).
template <class act>
struct WeightGradientChunk {
  float* dw;
  const act* dy;
  const Gather<act>* x;
  int64_t out_channels, row_begin, row_end, panel_begin, panel_end;
  bool accumulate;
};
template <class act>
using WeightGradientKernel = void (*)(const WeightGradientChunk<act>&);
struct WeightGradientTile {
  int64_t rows, width;
};
// Steps in a block, which are pixels or pairs of them: 128 of 48 columns are 24 KiB, half of an L1 cache.
constexpr int64_t kSteps = 128;
}  // namespace signet::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

constexpr int64_t kRankWidth = kRankVectors * kLanes;
// A line more than panels need: packing spoils it, and at a distance of whole pages tiles would share a set
// of the cache.
constexpr int64_t kBlock = 2 * kLanes;
constexpr int64_t kPanelPitch = kSteps * kRankWidth + kBlock;
constexpr int64_t kGradientPitch = kSteps * kRankRows + kBlock;

WeightGradientTile weight_gradient_tile() {
  return {kRankRows, kRankWidth};
}

using RankKernel = void (*)(float*, const float*, const float*, int64_t, bool, const float*);

// The fewest vectors that hold that many columns of a panel.
template <Operand O>
HWY_INLINE RankKernel choose_rank_tile(int64_t columns) {
  constexpr int kWidth = int(kRankWidth);
  if (columns <= kLanes) return multiply_tile<kRankRows, 1, Panel::by_step, kWidth, kRankRows, O>;
  if (columns <= 2 * kLanes) return multiply_tile<kRankRows, 2, Panel::by_step, kWidth, kRankRows, O>;
  return multiply_tile<kRankRows, kRankVectors, Panel::by_step, kWidth, kRankRows, O>;
}

// to[o / rows][step][rows] = dy[pixel, o], with zeros beyond the last channel and, in a pair, the last pixel;
// tiles are tile_pitch apart.
template <class act>
HWY_INLINE void pack_gradient(float* HWY_RESTRICT to, int64_t tile_pitch, const act* HWY_RESTRICT dy,
                              int64_t pixels, int64_t channels) {
  constexpr int64_t kPixels = kPerSlot<act>;
  const auto pack = [&](act* HWY_RESTRICT slots, int64_t o, int64_t count, int64_t pixel) {
    for (int64_t i = 0; i < count; ++i) slots[i * kPixels + pixel] = dy[pixel * channels + o + i];
  };
  for (int64_t p = 0; p < pixels; p += kPixels, to += kRankRows, dy += kPixels * channels) {
    float* HWY_RESTRICT tile = to;
    const int64_t there = std::min(kPixels, pixels - p);
    for (int64_t o = 0; o < channels; o += kRankRows, tile += tile_pitch) {
      auto* slots = reinterpret_cast<act*>(tile);
      if (there == kPixels && o + kRankRows <= channels) {
        for (int64_t pixel = 0; pixel < kPixels; ++pixel) pack(slots, o, kRankRows, pixel);
        continue;
      }
      std::fill_n(tile, kRankRows, 0.0f);
      for (int64_t pixel = 0; pixel < there; ++pixel)
        pack(slots, o, std::min<int64_t>(kRankRows, channels - o), pixel);
    }
  }
}

// Panels of steps from those of the chunk's columns: to[panel][step][kRankWidth].
HWY_INLINE void pack_steps(float* to, const WeightGradientChunk<float>& w, int64_t row, int64_t pixels,
                           int64_t k_begin, int64_t k_end) {
  pack_gather({to, kRankWidth, kPanelPitch, kRankWidth}, *w.x, row, pixels, k_begin, k_end);
}

#if HWY_TARGET == HWY_AVX3
HWY_INLINE void pack_steps(float* to, const WeightGradientChunk<BFloat16>& w, int64_t row, int64_t pixels,
                           int64_t k_begin, int64_t k_end) {
  // A few pixels at a time, widened, stay in the cache until they are paired.
  constexpr int64_t kFew = 16, kFewPitch = kFew * kRankWidth + kBlock;
  const int64_t panels = w.panel_end - w.panel_begin;
  float* few = scratch(Scratch::row, panels * kFewPitch);
  std::fill_n(few + (panels - 1) * kFewPitch, kFewPitch, 0.0f);
  for (int64_t p = 0; p < pixels; p += kFew) {
    const int64_t count = std::min(kFew, pixels - p);
    pack_gather({few, kRankWidth, kFewPitch, kRankWidth}, *w.x, row + p, count, k_begin, k_end);
    for (int64_t panel = 0; panel < panels; ++panel) {
      float* from = few + panel * kFewPitch;
      float* step = to + panel * kPanelPitch + p / 2 * kRankWidth;
      if (count % 2 != 0) std::fill_n(from + count * kRankWidth, kRankWidth, 0.0f);
      for (int64_t i = 0; i < count; i += 2, from += 2 * kRankWidth, step += kRankWidth) {
        for (int64_t j = 0; j < kRankWidth; j += kLanes)
          store(make_pairs(load(from + j), load(from + kRankWidth + j)), step + j);
      }
    }
  }
}
#endif

// dw[r, j] = or += tile[r][j] for the tile's part inside dw.
HWY_INLINE void store_gradient(float* dw, int64_t pitch, const float* tile, int64_t tile_pitch, int64_t rows,
                               int64_t columns, bool accumulate) {
  for (int64_t r = 0; r < rows; ++r, dw += pitch, tile += tile_pitch) {
    for (int64_t j = 0; j < columns; ++j) dw[j] = accumulate ? dw[j] + tile[j] : tile[j];
  }
}

template <class act>
void weight_gradient_chunk(const WeightGradientChunk<act>& w) {
  const int64_t k_total = w.x->columns(), tiles = ceil_div(w.out_channels, kRankRows);
  constexpr int64_t kTileSize = kRankRows * kRankWidth;
  float* sums = scratch(Scratch::tile, (w.panel_end - w.panel_begin) * tiles * kTileSize);
  float* left = scratch(Scratch::left, tiles * kGradientPitch);
  float* right = scratch(Scratch::right, (w.panel_end - w.panel_begin) * kPanelPitch);
  const int64_t k_begin = w.panel_begin * kRankWidth;
  // Sums of columns beyond the last are dropped, but should not meet slow or trapping values on the way.
  std::fill_n(right + (w.panel_end - w.panel_begin - 1) * kPanelPitch, kPanelPitch, 0.0f);

  for (int64_t row = w.row_begin, end;; row = end) {
    end = std::min(row + kSteps * kPerSlot<act>, w.row_end);
    const int64_t pixels = end - row, steps = ceil_div(pixels, kPerSlot<act>);
    pack_gradient(left, kGradientPitch, w.dy + row * w.out_channels, pixels, w.out_channels);
    pack_steps(right, w, row, pixels, k_begin, std::min(w.panel_end * kRankWidth, k_total));
    float* sum = sums;
    for (int64_t panel = w.panel_begin; panel < w.panel_end; ++panel) {
      const int64_t k = panel * kRankWidth, k_end = std::min(k + kRankWidth, k_total);
      const float* panel_of_x = right + (panel - w.panel_begin) * kPanelPitch;
      const auto kernel = choose_rank_tile<kOperand<act>>(k_end - k);
      for (int64_t tile = 0; tile < tiles; ++tile, sum += kTileSize)
        kernel(sum, left + tile * kGradientPitch, panel_of_x, steps, row > w.row_begin, sum + kTileSize);
      if (end < w.row_end) continue;
      for (int64_t tile = 0; tile < tiles; ++tile) {
        const int64_t o = tile * kRankRows;
        store_gradient(w.dw + o * k_total + k, k_total, sum + (tile - tiles) * kTileSize, kRankWidth,
                       std::min<int64_t>(kRankRows, w.out_channels - o), k_end - k, w.accumulate);
      }
    }
    if (end == w.row_end) break;
  }
}

WeightGradientKernel<float> weight_gradient() {
  return weight_gradient_chunk<float>;
}
// None where the processor has no products of pairs: conv2d_backward_weight then widens.
WeightGradientKernel<BFloat16> weight_gradient_bf16() {
#if HWY_TARGET == HWY_AVX3
  return weight_gradient_chunk<BFloat16>;
#else
  return nullptr;
#endif
}

// dw[n] = or += the sum of `count` copies of dw, one after another in memory.
void weight_gradient_merge(float* HWY_RESTRICT dw, const float* HWY_RESTRICT copies, int64_t count,
                           int64_t pitch, int64_t n, bool accumulate) {
  for (int64_t i = 0; i < n; ++i) dw[i] = accumulate ? dw[i] + copies[i] : copies[i];
  for (int64_t copy = 1; copy < count; ++copy)
    for (int64_t i = 0; i < n; ++i) dw[i] += copies[copy * pitch + i];
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(weight_gradient_tile);
HWY_EXPORT(weight_gradient);
HWY_EXPORT(weight_gradient_bf16);
HWY_EXPORT(weight_gradient_merge);

namespace {
// Floats of dw, and panels of X, that a chunk keeps in cache.
constexpr int64_t kResident = 1 << 17, kPanels = 16;
// Chunks wanted, floats that all copies of dw may take, and pixels that make a copy worth its merging.
constexpr int64_t kChunks = 16, kCopies = 1 << 21, kPixelGrain = 512, kMergeGrain = 1 << 12;

/// dw = or += the sum of the copies.
void merge_copies(float* dw, const float* partial, int64_t copies, int64_t size, bool add) {
  const auto merge = HWY_DYNAMIC_DISPATCH(weight_gradient_merge);
  parallel_ranges(size, kMergeGrain, [&](int64_t begin, int64_t end, int64_t) {
    merge(dw + begin, partial + begin, copies, size, end - begin, add);
  });
}

template <class act>
WeightGradientKernel<act> gradient_kernel() {
  if constexpr (std::is_same_v<act, float>) {
    return HWY_DYNAMIC_DISPATCH(weight_gradient)();
  } else {
    return HWY_DYNAMIC_DISPATCH(weight_gradient_bf16)();
  }
}

/// Has write(partial, copies, accumulates) make partial gradients, and adds them up.
template <class Write>
void in_copies(float* dw, int64_t copies, bool add, int64_t size, const Write& write) {
  float* partial = copies > 1 ? scratch(Scratch::partials, copies * size) : dw;
  write(partial, copies, copies == 1 && add);
  if (copies > 1) merge_copies(dw, partial, copies, size, add);
}
}  // namespace

// `places` null: dy is the convolution's.
template <class act>
void pooled_backward_weight(float* dw, const act* dy, const uint8_t* places, const act* x,
                            Accumulate accumulate, const Conv2dShape& s) {
  const bool add = accumulate == Accumulate::yes;
  if (conv_algorithm(ConvPass::backward_weight, s) == ConvAlgorithm::image_strips) {
    return in_copies(dw, rgb_copies(s), add, s.weight_size(),
                     [&](float* to, int64_t copies, bool accumulates) {
                       rgb_backward_weight(to, copies, accumulates, dy, places, x, s);
                     });
  }
  const WinogradGradient<act> by_tiles{.x = x,
                                       .dy = dy,
                                       .places = places,
                                       .batch = s.batch,
                                       .height = s.in_height,
                                       .width = s.in_width,
                                       .channels = s.in_channels,
                                       .outputs = s.out_channels,
                                       .padding = s.padding};
  in_copies(
      dw, winograd_copies(by_tiles), add, s.weight_size(),
      [&](float* to, int64_t copies, bool accumulates) { winograd(to, copies, accumulates, by_tiles); });
}
SIGNET_INSTANTIATE_ACTIVATIONS(pooled_backward_weight);

template <class act>
void conv2d_backward_weight(float* dw, const act* dy, const act* x, Accumulate accumulate,
                            const Conv2dShape& s) {
  if constexpr (std::is_same_v<act, BFloat16>) {
    if (!has_bf16_products()) {
      const float* none = nullptr;
      if (s.batch == 0) return conv2d_backward_weight(dw, none, none, accumulate, s);
      return for_few_images(s, [&](int64_t first, const Conv2dShape& part, float* wide_x, float* wide_dy) {
        from_bf16(wide_x, x + first * (part.in_size() / part.batch), part.in_size());
        from_bf16(wide_dy, dy + first * (part.out_size() / part.batch), part.out_size());
        conv2d_backward_weight(dw, wide_dy, wide_x, first == 0 ? accumulate : Accumulate::yes, part);
      });
    }
  }
  const int64_t size = s.weight_size(), rows = s.batch * s.out_height() * s.out_width();
  if (size == 0) return;
  if (conv_algorithm(ConvPass::backward_weight, s) != ConvAlgorithm::implicit_gemm)
    return pooled_backward_weight(dw, dy, nullptr, x, accumulate, s);
  Gather<act> gather{.x = x,
                     .height = s.in_height,
                     .width = s.in_width,
                     .channels = s.in_channels,
                     .grid_height = s.out_height(),
                     .grid_width = s.out_width(),
                     .step = s.stride};
  for (int64_t ky = 0; ky < s.kernel_height; ++ky)
    for (int64_t kx = 0; kx < s.kernel_width; ++kx)
      gather.add_tap({.dy = ky * s.dilation - s.padding, .dx = kx * s.dilation - s.padding});

  const WeightGradientTile tile = HWY_DYNAMIC_DISPATCH(weight_gradient_tile)();
  const int64_t panels = ceil_div(gather.columns(), tile.width);
  const int64_t resident =
      std::clamp<int64_t>(kResident / (round_up(s.out_channels, tile.rows) * tile.width), 1, kPanels);
  const int64_t wanted = ceil_div(panels, resident);
  const int64_t copies = std::max<int64_t>(
      1, std::min({ceil_div(kChunks, wanted), kCopies / size, ceil_div(rows, kPixelGrain)}));
  const int64_t group = ceil_div(panels, std::min(panels, std::max(wanted, ceil_div(kChunks, copies))));
  const int64_t groups = ceil_div(panels, group), pixels = ceil_div(rows, copies);

  const auto kernel = gradient_kernel<act>();
  in_copies(dw, copies, accumulate == Accumulate::yes, size, [&](float* to, int64_t, bool accumulates) {
    parallel_for(copies * groups, [&](int64_t chunk) {
      const int64_t copy = chunk / groups, panel = chunk % groups * group;
      kernel({.dw = to + copy * size,
              .dy = dy,
              .x = &gather,
              .out_channels = s.out_channels,
              .row_begin = std::min(rows, copy * pixels),
              .row_end = std::min(rows, (copy + 1) * pixels),
              .panel_begin = panel,
              .panel_end = std::min(panels, panel + group),
              .accumulate = accumulates});
    });
  });
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_backward_weight);

}  // namespace signet::cpu
#endif
