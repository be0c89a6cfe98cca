// The weight gradient of a 3x3 convolution as Winograd's F(3x3, 4x4): a tile of dy is the filter, 4x4, and
// the gradient the 3x3 output; the patch of x is the forward pass's, and so are the points:
//
//   dw = A' [sum over tiles of (G dy G') . (B' x B)] A
//
// The 36 sums over tiles are matrix products [outputs][tiles] x [tiles][channels]. A chunk of work keeps the
// sums of some outputs and channels in cache and passes blocks of transformed tiles over them. Where that
// makes too few chunks, the tiles are cut into ranges with a gradient each, merged in their order.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/winograd_backward_weight.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <type_traits>

#include "kernels/cpu/chunks.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd-inl.h"
#include "kernels/cpu/winograd.h"

#ifndef SIGNET_CPU_WINOGRAD_BACKWARD_WEIGHT_ONCE
#define SIGNET_CPU_WINOGRAD_BACKWARD_WEIGHT_ONCE
namespace signet::cpu {
// Outputs [output, output + outputs) and channels [channel, channel + channels) of dw, from tiles
// [begin, end).
struct WinogradGradientChunk {
  float* dw;
  bool accumulate;
  int64_t begin, end, output, outputs, channel, channels;
};
template <class act>
using WinogradGradientKernel = void (*)(const WinogradGradient<act>&, const WinogradGradientChunk&);

// Tiles transformed before their products are added up.
constexpr int64_t kBlockTiles = 32;
}  // namespace signet::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

// The tile of registers: a half vector of outputs, or a whole one where vectors are short, by two vectors.
// Both halves of a vector stand side by side in memory.
constexpr int kGroup = kLanes >= 8 ? kLanes / 2 : kLanes;
constexpr int kWidth = 2 * kLanes;

/// G dy, for kSide vectors, which are followed by zeros, to those of the points of kSide.
template <class act, int kSide>
HWY_INLINE void transform_gradient(Vector (&u)[6], const Vector (&g)[4]) {
  using Points = WinogradPoints<act>;
  const Lanes t;
  const auto even_a = hn::Mul(hn::Set(t, Points::kScaleA), hn::MulAdd(hn::Set(t, Points::kA2), g[2], g[0]));
  const auto even_b = hn::Mul(hn::Set(t, Points::kScaleB), hn::MulAdd(hn::Set(t, Points::kB2), g[2], g[0]));
  const auto odd_a = hn::MulAdd(hn::Set(t, Points::kA2), g[3], g[1]);
  const auto odd_b = hn::MulAdd(hn::Set(t, Points::kB2), g[3], g[1]);
  u[0] = hn::Mul(hn::Set(t, Points::kScale0), g[0]);
  u[1] = hn::MulAdd(hn::Set(t, Points::kScaleA * Points::kA), odd_a, even_a);
  u[2] = hn::NegMulAdd(hn::Set(t, Points::kScaleA * Points::kA), odd_a, even_a);
  u[3] = hn::MulAdd(hn::Set(t, Points::kScaleB * Points::kB), odd_b, even_b);
  u[4] = hn::NegMulAdd(hn::Set(t, Points::kScaleB * Points::kB), odd_b, even_b);
  u[5] = g[kSide - 1];
}

/// A' m, for six vectors.
template <class act>
HWY_INLINE void transform_weights(Vector (&w)[3], const Vector (&m)[6]) {
  using Points = WinogradPoints<act>;
  const Lanes t;
  const auto sum_a = hn::Add(m[1], m[2]), difference_a = hn::Sub(m[1], m[2]);
  const auto sum_b = hn::Add(m[3], m[4]), difference_b = hn::Sub(m[3], m[4]);
  w[0] = hn::Add(m[0], hn::Add(sum_a, sum_b));
  w[1] = hn::MulAdd(hn::Set(t, Points::kA), difference_a, hn::Mul(hn::Set(t, Points::kB), difference_b));
  w[2] = hn::MulAdd(hn::Set(t, Points::kA2), sum_a, hn::MulAdd(hn::Set(t, Points::kB2), sum_b, m[5]));
}

/// Transforms one tile of dy of kRows by kColumns numbers, outputs [first, first + outputs) of its pixels, to
/// to[point * point_pitch + output - first].
template <int kRows, int kColumns, class Square>
HWY_INLINE void transform_dy_of(float* to, int64_t point_pitch, const Square& square, int64_t first,
                                int64_t outputs) {
  using act = typename Square::Activation;
  const auto zero = hn::Zero(Lanes());
  for (int64_t o = 0; o < outputs; o += kLanes) {
    Vector columns[6][4];  // [y][x], transformed along y
    for (int x = 0; x < 4; ++x) {
      Vector g[4], u[6];
      for (int y = 0; y < 4; ++y)
        g[y] = y < kRows && x < kColumns ? load_pixel(square, y * 4 + x, first + o) : zero;
      transform_gradient<act, kRows>(u, g);
      for (int y = 0; y < 6; ++y) columns[y][x] = u[y];
    }
    for (int y = 0; y < 6; ++y) {
      Vector u[6];
      transform_gradient<act, kColumns>(u, columns[y]);
      for (int x = 0; x < 6; ++x)
        if (has_point(points_of_tile(kRows, kColumns), y * 6 + x))
          store(u[x], to + (y * 6 + x) * point_pitch + o);
    }
  }
}

/// The same for a tile, and zeros at those of `points` that it does not need.
template <class Square>
HWY_INLINE void transform_dy(float* to, int64_t point_pitch, const Square& square, int64_t first,
                             int64_t outputs, const WinogradTile& tile, uint64_t points) {
  with_sides(tile, [&](auto rows, auto columns) HWY_ATTR {
    transform_dy_of<rows.value, columns.value>(to, point_pitch, square, first, outputs);
  });
  fill_other_points(to, point_pitch, outputs, tile, points);
}

#if HWY_TARGET == HWY_AVX3
/// One step of the sums over pairs of tiles, from the transforms of both, `count` floats each and one after
/// the other in `rows`: to to[i / width * pitch + i % width] for each i of each of `points`, points being
/// to_point and from_point apart.
HWY_INLINE void place_pairs(float* to, int64_t to_point, int64_t width, int64_t pitch, const float* rows,
                            int64_t from_point, int64_t count, uint64_t points) {
  for (int64_t point = 0; point < kPoints; ++point) {
    if (!has_point(points, point)) continue;
    const float* from = rows + point * from_point;
    for (int64_t i = 0; i < from_point; i += kLanes)
      store(make_pairs(load(from + i), load(from + count + i)),
            to + point * to_point + i / width * pitch + i % width);
  }
}
#endif

/// dw of one output and kLanes channels = or += A' sums A, the 36 sums point_pitch apart.
template <class act>
HWY_INLINE void finish_weights(float* dw, int64_t tap_pitch, const float* sums, int64_t point_pitch,
                               bool accumulate) {
  const Lanes t;
  Vector half[3][6];
  for (int x = 0; x < 6; ++x) {
    Vector m[6], w[3];
    for (int y = 0; y < 6; ++y) m[y] = hn::Load(t, sums + (y * 6 + x) * point_pitch);
    transform_weights<act>(w, m);
    for (int y = 0; y < 3; ++y) half[y][x] = w[y];
  }
  for (int y = 0; y < 3; ++y) {
    Vector w[3];
    transform_weights<act>(w, half[y]);
    for (int x = 0; x < 3; ++x) {
      float* to = dw + (y * 3 + x) * tap_pitch;
      hn::StoreU(accumulate ? hn::Add(hn::LoadU(t, to), w[x]) : w[x], t, to);
    }
  }
}

/// Calls body with the pixels of a tile of dy; `zeros` for those beyond the edge.
template <class act, class Body>
HWY_INLINE void with_gradients(const WinogradGradient<act>& g, const WinogradTile& tile, const act* zeros,
                               const Body& body) {
  const WinogradPlane plane{g.out_height(), g.out_width(), g.outputs};
  if (g.places) {
    SquareOfWindows<act, kOutSide> windows;
    find_windows(windows, g.dy, g.places, plane, tile.image, tile.y, tile.x, zeros);
    body(windows);
  } else {
    SquareOfPixels<act, kOutSide> pixels;
    find_pixels(pixels, g.dy, plane, tile.image, tile.y, tile.x, zeros);
    body(pixels);
  }
}

/// What a chunk multiplies: [point][vector of outputs][step][kLanes] by [point][panel][step][kWidth], points
/// point_pitch apart. A step is a tile, or two in a pair.
struct GradientOperands {
  float *left, *right;
  int64_t left_point, right_point;
};

/// One step, of the tiles [first, end): of a pair the second may be missing, and is zeros.
template <class act>
HWY_INLINE void transform_step(const GradientOperands& to, const WinogradGradient<act>& g,
                               const WinogradGradientChunk& chunk, const WinogradTiles& grid, int64_t first,
                               [[maybe_unused]] int64_t end, uint64_t points, const act* zeros) {
  constexpr int64_t kTogether = kPerSlot<act>, kSteps = kBlockTiles / kTogether;
  const WinogradPlane plane{g.height, g.width, g.channels};
  const auto find_patch = [&](SquareOfPixels<act, kPatchSide>& patch, const WinogradTile& tile) HWY_ATTR {
    find_pixels(patch, g.x, plane, tile.image, tile.y - g.padding, tile.x - g.padding, zeros);
  };
  SquareOfPixels<act, kPatchSide> patch;
  if constexpr (kTogether == 1) {
    const WinogradTile tile = grid[first];
    find_patch(patch, tile);
    for (int64_t c = 0; c < chunk.channels; c += kWidth)
      transform_patch(to.right + c * kSteps, to.right_point, patch, chunk.channel + c, kWidth, tile, points);
    with_gradients(g, tile, zeros, [&](const auto& gradients) HWY_ATTR {
      for (int64_t o = 0; o < chunk.outputs; o += kLanes)
        transform_dy(to.left + o * kSteps, to.left_point, gradients, chunk.output + o, kLanes, tile, points);
    });
  }
#if HWY_TARGET == HWY_AVX3
  if constexpr (kTogether == 2) {
    const int64_t patch_size = kPoints * chunk.channels, gradient_size = kPoints * chunk.outputs;
    float* rows = scratch(Scratch::row, kTogether * std::max(patch_size, gradient_size));
    if (first + 1 == end) std::fill_n(rows + patch_size, patch_size, 0.0f);
    for (int64_t i = first; i < end; ++i) {
      const WinogradTile tile = grid[i];
      find_patch(patch, tile);
      transform_patch(rows + (i - first) * patch_size, chunk.channels, patch, chunk.channel, chunk.channels,
                      tile, points);
    }
    place_pairs(to.right, to.right_point, kWidth, kSteps * kWidth, rows, chunk.channels, patch_size, points);
    if (first + 1 == end) std::fill_n(rows + gradient_size, gradient_size, 0.0f);
    for (int64_t i = first; i < end; ++i) {
      const WinogradTile tile = grid[i];
      with_gradients(g, tile, zeros, [&](const auto& gradients) HWY_ATTR {
        transform_dy(rows + (i - first) * gradient_size, chunk.outputs, gradients, chunk.output,
                     chunk.outputs, tile, points);
      });
    }
    place_pairs(to.left, to.left_point, kLanes, kSteps * kLanes, rows, chunk.outputs, gradient_size, points);
  }
#endif
}

template <class act>
void winograd_gradient_chunk(const WinogradGradient<act>& g, const WinogradGradientChunk& chunk) {
  constexpr int64_t kTogether = kPerSlot<act>, kSteps = kBlockTiles / kTogether;
  const WinogradTiles grid(g.batch, g.out_height(), g.out_width());
  const int64_t groups = chunk.outputs / kGroup, panels = chunk.channels / kWidth;
  // Sums: [point][panel][group] tiles.
  constexpr int64_t kTile = kGroup * kWidth;
  const int64_t left_point = point_pitch(chunk.outputs * kSteps);
  const int64_t right_point = point_pitch(chunk.channels * kSteps);
  const int64_t sums_point = point_pitch(chunk.outputs * chunk.channels);
  float* left = scratch(Scratch::left, kPoints * left_point);
  const int64_t most = std::max(g.channels, g.outputs);
  float* right = scratch(Scratch::right, kPoints * right_point + most);
  float* sums = scratch(Scratch::tile, kPoints * sums_point);
  float* zero_floats = right + kPoints * right_point;
  std::fill_n(zero_floats, most, 0.0f);
  const act* zeros = reinterpret_cast<const act*>(zero_floats);
  const auto product = multiply_tile<kGroup, 2, Panel::by_step, kWidth, kLanes, kOperand<act>>;

  uint64_t begun = 0;  // the points that have a sum
  for (int64_t begin = chunk.begin; begin < chunk.end; begin += kBlockTiles) {
    const int64_t end = std::min(begin + kBlockTiles, chunk.end), steps = ceil_div(end - begin, kTogether);
    const uint64_t points = grid.points(begin, end);
    for (int64_t step = 0; step < steps; ++step) {
      const int64_t first = begin + step * kTogether;
      transform_step({left + step * kLanes, right + step * kWidth, left_point, right_point}, g, chunk, grid,
                     first, std::min(first + kTogether, end), points, zeros);
    }
    for (int64_t point = 0; point < kPoints; ++point) {
      if (!has_point(points, point)) continue;
      float* sum = sums + point * sums_point;
      for (int64_t panel = 0; panel < panels; ++panel) {
        for (int64_t o = 0; o < chunk.outputs; o += kGroup, sum += kTile)
          product(sum, left + point * left_point + o / kLanes * kSteps * kLanes + o % kLanes,
                  right + point * right_point + panel * kSteps * kWidth, steps, has_point(begun, point),
                  sum + kTile);
      }
    }
    begun |= points;
  }
  for (int64_t point = 0; point < kPoints; ++point)
    if (!has_point(begun, point)) std::fill_n(sums + point * sums_point, sums_point, 0.0f);
  for (int64_t o = 0; o < chunk.outputs; ++o) {
    for (int64_t c = 0; c < chunk.channels; c += kLanes) {
      const int64_t tile = c / kWidth * groups + o / kGroup;
      finish_weights<act>(chunk.dw + (chunk.output + o) * 9 * g.channels + chunk.channel + c, g.channels,
                          sums + tile * kTile + o % kGroup * kWidth + c % kWidth, sums_point,
                          chunk.accumulate);
    }
  }
}

WinogradGradientKernel<float> winograd_gradient() {
  return winograd_gradient_chunk<float>;
}
// None where the processor has no products of pairs.
WinogradGradientKernel<BFloat16> winograd_gradient_bf16() {
#if HWY_TARGET == HWY_AVX3
  return winograd_gradient_chunk<BFloat16>;
#else
  return nullptr;
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(winograd_gradient);
HWY_EXPORT(winograd_gradient_bf16);

namespace {
// Outputs and channels of a chunk come in multiples of this; its 36 sums of kMostOutputs by as many channels
// as keep them within kResident floats fill about half of an L2 cache.
constexpr int64_t kUnit = 32, kMostOutputs = 64, kResident = 36 << 12;
// Chunks wanted, and tiles that make a copy of dw worth its merging.
constexpr int64_t kChunks = 16, kTileGrain = 64;

template <class act>
WinogradGradientKernel<act> gradient_kernel() {
  if constexpr (std::is_same_v<act, float>) {
    return HWY_DYNAMIC_DISPATCH(winograd_gradient)();
  } else {
    return HWY_DYNAMIC_DISPATCH(winograd_gradient_bf16)();
  }
}
}  // namespace

bool winograd_weight_applies(const Conv2dShape& s) {
  return s.kernel_height == 3 && s.kernel_width == 3 && s.stride == 1 && s.dilation == 1 && s.batch > 0 &&
         s.out_height() > 0 && s.out_width() > 0 && s.padding <= 2 && s.in_channels > 0 &&
         s.in_channels % kUnit == 0 && s.out_channels > 0 && s.out_channels % kUnit == 0;
}

template <class act>
int64_t winograd_copies(const WinogradGradient<act>& g) {
  const int64_t tiles = WinogradTiles(g.batch, g.out_height(), g.out_width()).total();
  const int64_t parts = (g.channels / kUnit) * ceil_div(g.outputs, kMostOutputs);
  const int64_t wanted =
      std::clamp<int64_t>(ceil_div(kChunks, parts), 1, std::max<int64_t>(1, tiles / kTileGrain));
  return ceil_div(tiles, ceil_div(tiles, wanted));  // none of them empty
}

template <class act>
void winograd(float* dw, int64_t copies, bool accumulate, const WinogradGradient<act>& g) {
  const int64_t tiles = WinogradTiles(g.batch, g.out_height(), g.out_width()).total();
  const int64_t outputs = g.outputs % kMostOutputs == 0 ? kMostOutputs
                          : g.outputs <= kMostOutputs   ? g.outputs
                                                        : kUnit;
  int64_t channels = kUnit;
  while (g.channels % (2 * channels) == 0 && 2 * channels * outputs * kPoints <= kResident) channels *= 2;
  const int64_t across = g.channels / channels, parts = across * (g.outputs / outputs);
  const int64_t range = ceil_div(tiles, copies);
  const auto kernel = gradient_kernel<act>();
  parallel_for(copies * parts, [&](int64_t chunk) {
    const int64_t copy = chunk / parts, part = chunk % parts;
    kernel(g, {.dw = dw + copy * g.outputs * 9 * g.channels,
               .accumulate = accumulate,
               .begin = std::min(tiles, copy * range),
               .end = std::min(tiles, (copy + 1) * range),
               .output = part / across * outputs,
               .outputs = outputs,
               .channel = part % across * channels,
               .channels = channels});
  });
}

template int64_t winograd_copies<float>(const WinogradGradient<float>&);
template int64_t winograd_copies<BFloat16>(const WinogradGradient<BFloat16>&);
template void winograd<float>(float*, int64_t, bool, const WinogradGradient<float>&);
template void winograd<BFloat16>(float*, int64_t, bool, const WinogradGradient<BFloat16>&);

}  // namespace signet::cpu
#endif
