// F(4x4, 3x3) in three steps. Each 4x4 tile of the output comes from a 6x6 patch d of the input and a filter
// g:
//
//   y = A' [(G g G') . (B' d B)] A        (. is the elementwise product, ' transposes)
//
// Summed over channels, the 36 products become 36 matrix products [tiles][channels] x [channels][columns],
// made by the register tile of the other convolutions. A chunk of work is a few tiles: their transformed
// patches stay in the L2 cache while the transformed filters pass by, a panel of columns at a time. Where
// there are few tiles in all, it is a panel: a block of its filters is transformed and used at once.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/winograd.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <type_traits>

#include "kernels/cpu/chunks.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd-inl.h"
#include "kernels/cpu/winograd.h"

#ifndef SIGNET_CPU_WINOGRAD_ONCE
#define SIGNET_CPU_WINOGRAD_ONCE
namespace signet::cpu {
constexpr int64_t kPanelColumns = 32;
constexpr int64_t kFilterChannels = 16;  // transformed by one piece of work
constexpr int64_t kTaps = 9;
// Channels (or pairs) whose filters of a panel are transformed at a time where there are few tiles: their 36
// points are 144 KiB.
constexpr int64_t kFewDepth = 32, kFewPitch = kFewDepth + 16;

/// Rows of the tile of registers, and of patches in passes the floats (or pairs) in a block and the distance
/// of tiles.
struct WinogradLayout {
  int64_t rows, depth, pitch;
};

/// Tiles [begin, end) of a convolution whose filters are larger than a cache; `rows` is their number, rounded
/// up to the tile of registers. sums and filters begin with panel first_panel.
struct WinogradPass {
  float *patches, *sums;
  const float* filters;
  int64_t begin, end, rows, first_panel;
};

/// All tiles of a convolution of few: `rows` is their number, rounded up to whole groups of `group`. Patches
/// are [block of kFewDepth channels or pairs][point][tile][kFewPitch].
struct WinogradFew {
  float* patches;
  int64_t rows, group;
};

/// The steps for activations of a type, for one instruction set.
template <class act>
struct WinogradSteps {
  void (*filters)(float* to, int64_t point_pitch, const WinogradConv<act>& conv, int64_t c, int64_t o);
  void (*chunk)(const WinogradConv<act>& conv, const float* filters, int64_t begin, int64_t end);
  void (*pass_patches)(const WinogradConv<act>& conv, const WinogradPass& pass, int64_t group);
  void (*pass_products)(const WinogradConv<act>& conv, const WinogradPass& pass, int64_t panel,
                        int64_t point);
  void (*pass_outputs)(const WinogradConv<act>& conv, const WinogradPass& pass, int64_t panel);
  void (*few_patches)(const WinogradConv<act>& conv, const WinogradFew& few, int64_t row);
  void (*few_products)(const WinogradConv<act>& conv, const WinogradFew& few, int64_t panel);
};
}  // namespace signet::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

// Of the tile of registers, where fewer rows are enough.
constexpr int kHalfRows = kTileRows / 2 + 1, kQuarterRows = kHalfRows / 2;

WinogradLayout winograd_layout() {
  return {kTileRows, kDepth, kPitch};
}

/// G g, for three vectors.
template <class act>
HWY_INLINE void transform_filter(Vector (&u)[6], const Vector (&g)[3]) {
  using Points = WinogradPoints<act>;
  const Lanes t;
  const auto even_a = hn::Mul(hn::Set(t, Points::kScaleA), hn::MulAdd(hn::Set(t, Points::kA2), g[2], g[0]));
  const auto even_b = hn::Mul(hn::Set(t, Points::kScaleB), hn::MulAdd(hn::Set(t, Points::kB2), g[2], g[0]));
  u[0] = hn::Mul(hn::Set(t, Points::kScale0), g[0]);
  u[1] = hn::MulAdd(hn::Set(t, Points::kScaleA * Points::kA), g[1], even_a);
  u[2] = hn::NegMulAdd(hn::Set(t, Points::kScaleA * Points::kA), g[1], even_a);
  u[3] = hn::MulAdd(hn::Set(t, Points::kScaleB * Points::kB), g[1], even_b);
  u[4] = hn::NegMulAdd(hn::Set(t, Points::kScaleB * Points::kB), g[1], even_b);
  u[5] = g[2];
}

/// A' m, for the vectors of the points of kSide, to kSide outputs.
template <class act, int kSide>
HWY_INLINE void transform_output(Vector (&y)[4], const Vector (&m)[6]) {
  using Points = WinogradPoints<act>;
  const Lanes t;
  const auto sum_a = hn::Add(m[1], m[2]), difference_a = hn::Sub(m[1], m[2]);
  if constexpr (kSide == 2) {
    y[0] = hn::Add(m[0], sum_a);
    y[1] = hn::MulAdd(hn::Set(t, Points::kA), difference_a, m[5]);
  } else if constexpr (kSide == 3) {
    y[0] = hn::Add(m[0], hn::Add(sum_a, m[3]));
    y[1] = hn::MulAdd(hn::Set(t, Points::kA), difference_a, hn::Mul(hn::Set(t, Points::kB), m[3]));
    y[2] = hn::MulAdd(hn::Set(t, Points::kA2), sum_a, hn::MulAdd(hn::Set(t, Points::kB2), m[3], m[5]));
  } else {
    const auto sum_b = hn::Add(m[3], m[4]), difference_b = hn::Sub(m[3], m[4]);
    y[0] = hn::Add(m[0], hn::Add(sum_a, sum_b));
    y[1] = hn::MulAdd(hn::Set(t, Points::kA), difference_a, hn::Mul(hn::Set(t, Points::kB), difference_b));
    y[2] = hn::MulAdd(hn::Set(t, Points::kA2), sum_a, hn::Mul(hn::Set(t, Points::kB2), sum_b));
    y[3] = hn::MulAdd(hn::Set(t, Points::kA3), difference_a,
                      hn::MulAdd(hn::Set(t, Points::kB3), difference_b, m[5]));
  }
}

/// G g, for the columns of a filter of one channel and kLanes columns of the convolution, whose taps `tap_of`
/// gives.
template <class act, class TapOf>
HWY_INLINE void transform_columns(Vector (&rows)[6][3], const TapOf& tap_of) {
  for (int64_t x = 0; x < 3; ++x) {
    const Vector g[3] = {tap_of(x), tap_of(3 + x), tap_of(6 + x)};
    Vector v[6];
    transform_filter<act>(v, g);
    for (int64_t y = 0; y < 6; ++y) rows[y][x] = v[y];
  }
}

/// Where the packed taps of channel c for columns from o on begin; they are kPanelColumns apart.
template <class act>
HWY_INLINE const float* taps_of(const WinogradConv<act>& conv, int64_t c, int64_t o) {
  return conv.taps + (o / kPanelColumns * conv.channels + c) * kTaps * kPanelColumns + o % kPanelColumns;
}

/// Transformed filters of kLanes channels and kLanes columns, whose taps `tap_of` gives by channel and tap.
template <class act, class TapOf>
HWY_INLINE void transform_channels(float* to, int64_t point_pitch, const TapOf& tap_of) {
  for (int64_t i = 0; i < kLanes; i += kPerSlot<act>, to += kPanelColumns) {
    Vector rows[6][3], next[6][3];
    transform_columns<act>(rows, [&](int64_t tap) HWY_ATTR { return tap_of(i, tap); });
    if constexpr (kPerSlot<act> == 2)
      transform_columns<act>(next, [&](int64_t tap) HWY_ATTR { return tap_of(i + 1, tap); });
    for (int64_t y = 0; y < 6; ++y) {
      Vector u[6];
      transform_filter<act>(u, rows[y]);
#if HWY_TARGET == HWY_AVX3
      if constexpr (kPerSlot<act> == 2) {
        Vector second[6];
        transform_filter<act>(second, next[y]);
        for (int64_t x = 0; x < 6; ++x) u[x] = make_pairs(u[x], second[x]);
      }
#endif
      for (int64_t x = 0; x < 6; ++x) hn::Store(u[x], Lanes(), to + (y * 6 + x) * point_pitch);
    }
  }
}

/// The same from (c, o) on. The vectors run along the columns: w's last axis if transposed, else its first.
template <class act>
HWY_INLINE void transform_filters(float* to, int64_t point_pitch, const WinogradConv<act>& conv, int64_t c,
                                  int64_t o) {
  const Lanes t;
  if (conv.taps) {
    const float* taps = taps_of(conv, c, o);
    return transform_channels<act>(to, point_pitch, [&](int64_t channel, int64_t tap) HWY_ATTR {
      return hn::Load(t, taps + (channel * kTaps + tap) * kPanelColumns);
    });
  }
  if (conv.transposed) {
    const float* w = conv.w + c * kTaps * conv.columns + o;
    return transform_channels<act>(to, point_pitch, [&](int64_t channel, int64_t tap) HWY_ATTR {
      return hn::LoadU(t, w + (channel * kTaps + 8 - tap) * conv.columns);
    });
  }
  alignas(64) float turned[kTaps][kLanes * kLanes];  // [tap][channel][column]
  for (int64_t tap = 0; tap < kTaps; ++tap) {
    const float* w = conv.w + (o * kTaps + tap) * conv.channels + c;
    for (int64_t i = 0; i < kLanes; ++i)
      for (int64_t j = 0; j < kLanes; ++j) turned[tap][i * kLanes + j] = w[j * kTaps * conv.channels + i];
  }
  transform_channels<act>(to, point_pitch, [&](int64_t channel, int64_t tap) HWY_ATTR {
    return hn::Load(t, turned[tap] + channel * kLanes);
  });
}

/// Transformed filters of kFilterChannels channels from c on and a panel of columns from o on, to
/// to[point * point_pitch + channel (or pair) * kPanelColumns + column].
template <class act>
void winograd_filters(float* to, int64_t point_pitch, const WinogradConv<act>& conv, int64_t c, int64_t o) {
  for (int64_t i = 0; i < kFilterChannels; i += kLanes)
    for (int64_t j = 0; j < kPanelColumns; j += kLanes)
      transform_filters(to + i / kPerSlot<act> * kPanelColumns + j, point_pitch, conv, c + i, o + j);
}

/// The outputs of a tile for kLanes columns, from the sums of its points, which are point_pitch apart.
template <class act, int kRows, int kColumns>
HWY_INLINE void transform_sums(Vector (&y)[4][4], const float* sums, int64_t point_pitch) {
  Vector half[4][6];
#pragma GCC unroll 6
  for (int x = 0; x < 6; ++x) {
    if (!(points_of_side(kColumns) >> x & 1)) continue;
    Vector m[6], v[4];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i)
      if (points_of_side(kRows) >> i & 1) m[i] = hn::Load(Lanes(), sums + (i * 6 + x) * point_pitch);
    transform_output<act, kRows>(v, m);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) half[i][x] = v[i];
  }
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) transform_output<act, kColumns>(y[i], half[i]);
}

/// Finishes and stores those outputs of a tile that lie inside, for columns from `column` on.
template <int kRows, int kColumns, class act>
HWY_INLINE void store_outputs(const WinogradConv<act>& conv, Vector (&y)[4][4], const WinogradTile& tile,
                              int64_t column) {
  const Lanes t;
  const int64_t rows = std::min<int64_t>(kRows, conv.out_height() - tile.y);
  const int64_t across = std::min<int64_t>(kColumns, conv.out_width() - tile.x);
  int64_t at =
      ((tile.image * conv.out_height() + tile.y) * conv.out_width() + tile.x) * conv.columns + column;
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i, at += conv.out_width() * conv.columns) {
    if (kRows == 2 && i >= rows) break;
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; ++j) {
      if (kColumns == 2 && j >= across) break;
      auto v = y[i][j];
      if (conv.bias) v = hn::Add(v, hn::LoadU(t, conv.bias + column));
      if (conv.residual) v = hn::Add(v, load(conv.residual + at + j * conv.columns));
      // NaN <= 0 is false, so NaN stays.
      if (conv.relu) v = hn::IfThenZeroElse(hn::Le(v, hn::Zero(t)), v);
      store(v, conv.out + at + j * conv.columns);
    }
  }
}

/// Finishes, pools and stores them: a tile begins with a window.
template <int kRows, int kColumns, class act>
HWY_INLINE void pool_outputs(const WinogradConv<act>& conv, Vector (&y)[4][4], const WinogradTile& tile,
                             int64_t column) {
  const int64_t height = conv.out_height() / 2, width = conv.out_width() / 2;
  const int64_t at = ((tile.image * height + tile.y / 2) * width + tile.x / 2) * conv.columns + column;
  const auto bias = conv.bias ? hn::LoadU(Lanes(), conv.bias + column) : hn::Zero(Lanes());
#pragma GCC unroll 2
  for (int i = 0; i + 1 < kRows; i += 2) {
    if (kRows == 2 && tile.y / 2 >= height) break;
#pragma GCC unroll 2
    for (int j = 0; j + 1 < kColumns; j += 2) {
      if (kColumns == 2 && tile.x / 2 >= width) break;
      Maximum maximum(hn::Add(y[i][j], bias), 0);
      maximum.take(hn::Add(y[i][j + 1], bias), 1);
      maximum.take(hn::Add(y[i + 1][j], bias), 2);
      maximum.take(hn::Add(y[i + 1][j + 1], bias), 3);
      maximum.cut();
      const int64_t place = at + (i / 2 * width + j / 2) * conv.columns;
      store(maximum.value, conv.out + place);
      if (conv.pool_places) maximum.store_place(conv.pool_places + place);
    }
  }
}

/// A panel's outputs of tiles [begin, end), from their sums [point][tile][kPanelColumns].
template <class act>
HWY_INLINE void finish_tiles(const WinogradConv<act>& conv, const float* sums, int64_t point_pitch,
                             int64_t begin, int64_t end, int64_t panel) {
  const WinogradTiles tiles(conv.batch, conv.out_height(), conv.out_width());
  for (int64_t i = begin; i < end; ++i, sums += kPanelColumns) {
    const WinogradTile tile = tiles[i];
    with_sides(tile, [&](auto rows, auto columns) HWY_ATTR {
      for (int64_t j = 0; j < kPanelColumns; j += kLanes) {
        constexpr int kRows = rows.value, kColumns = columns.value;
        const int64_t column = panel * kPanelColumns + j;
        Vector y[4][4];
        transform_sums<act, kRows, kColumns>(y, sums + j, point_pitch);
        if (conv.pooled) {
          pool_outputs<kRows, kColumns>(conv, y, tile, column);
        } else {
          store_outputs<kRows, kColumns>(conv, y, tile, column);
        }
      }
    });
  }
}

using PointKernel = void (*)(float*, const float*, const float*, int64_t, bool, const float*);

template <class act, int kRowPitch>
constexpr PointKernel kPointKernel =
    multiply_rows<act, kTileRows, kTileVectors, int(kPanelColumns), kRowPitch>;

struct Patches {
  PointKernel kernel;
  int64_t pitch;
};

/// Rows of transformed patches lie an odd number of cache lines apart, to spread over all sets of the cache.
template <class act>
HWY_INLINE Patches choose_patches(int64_t depth) {
  if (depth <= 32) return {kPointKernel<act, 48>, 48};
  if (depth <= 64) return {kPointKernel<act, 80>, 80};
  if (depth <= 128) return {kPointKernel<act, 144>, 144};
  return {kPointKernel<act, 272>, 272};
}

/// A pixel outside of the image.
template <class act>
HWY_INLINE const act* zero_pixel(int64_t channels) {
  float* zeros = scratch(Scratch::right, channels);
  std::fill_n(zeros, channels, 0.0f);
  return reinterpret_cast<const act*>(zeros);
}

/// Transforms a tile's patch, `block` floats (or pairs) of its channels at a time, to to[i * block_pitch +
/// point * point_pitch].
template <class act>
HWY_INLINE void transform_tile(float* to, int64_t block, int64_t block_pitch, int64_t point_pitch,
                               const WinogradConv<act>& conv, const WinogradTile& tile, uint64_t points,
                               const act* zeros) {
  constexpr int64_t kNumbers = kPerSlot<act>;
  const auto transform = [&](const auto& square) HWY_ATTR {
    for (int64_t c = 0; c < conv.channels; c += block * kNumbers, to += block_pitch)
      transform_patch(reinterpret_cast<act*>(to), point_pitch * kNumbers, square, c,
                      std::min(block * kNumbers, conv.channels - c), tile, points);
  };
  const WinogradPlane plane{conv.height, conv.width, conv.channels};
  const int64_t top = tile.y - conv.padding, left = tile.x - conv.padding;
  if (conv.places) {
    SquareOfWindows<act, kPatchSide> windows;
    find_windows(windows, conv.x, conv.places, plane, tile.image, top, left, zeros);
    transform(windows);
  } else {
    SquareOfPixels<act, kPatchSide> pixels;
    find_pixels(pixels, conv.x, plane, tile.image, top, left, zeros);
    transform(pixels);
  }
}

/// The points that the group of kTileRows tiles with row r of tiles [begin, end) needs.
HWY_INLINE uint64_t points_of_group(const WinogradTiles& tiles, int64_t begin, int64_t end, int64_t r) {
  const int64_t first = begin + r / kTileRows * kTileRows;
  return tiles.points(first, std::min(end, first + kTileRows));
}

/// Tiles [begin, end); filters is [panel][point][channel or pair][kPanelColumns], see point_pitch.
template <class act>
void winograd_chunk(const WinogradConv<act>& conv, const float* filters, int64_t begin, int64_t end) {
  const int64_t depth = conv.channels / kPerSlot<act>;
  const auto [kernel, pitch] = choose_patches<act>(depth);
  const WinogradTiles tiles(conv.batch, conv.out_height(), conv.out_width());
  const int64_t groups = ceil_div(end - begin, kTileRows), rows = groups * kTileRows;
  const int64_t patch_point = rows * pitch, sum_point = rows * kPanelColumns;
  float* patches = scratch(Scratch::left, kPoints * patch_point);
  float* sums = scratch(Scratch::tile, kPoints * sum_point);
  const act* zeros = zero_pixel<act>(conv.channels);

  // The last group's spare rows repeat the last tile: their sums are dropped.
  for (int64_t r = 0; r < rows; ++r)
    transform_tile(patches + r * pitch, depth, 0, patch_point, conv, tiles[std::min(begin + r, end - 1)],
                   points_of_group(tiles, begin, end, r), zeros);

  const UnitSession<act> session;
  const int64_t filter_point = point_pitch(depth * kPanelColumns);
  for (int64_t panel = 0; panel < conv.columns / kPanelColumns; ++panel) {
    for (int64_t point = 0; point < kPoints; ++point) {
      const float* filter = filters + (panel * kPoints + point) * filter_point;
      for (int64_t group = 0; group < groups; ++group) {
        if (!has_point(points_of_group(tiles, begin, end, group * kTileRows), point)) continue;
        float* sum = sums + point * sum_point + group * kTileRows * kPanelColumns;
        const float* patch = patches + point * patch_point + group * kTileRows * pitch;
        for (int64_t j = 0; j < kPanelColumns; j += kTileVectors * kLanes)
          kernel(sum + j, patch, filter + j, depth, false, filter + filter_point);
      }
    }
    finish_tiles(conv, sums, sum_point, begin, end, panel);
  }
}

// The same in three passes for filters larger than a cache, each of which is then read once for `pass.rows`
// tiles. Patches are [block of kDepth channels or pairs][point][tile][kPitch], sums
// [panel][point][tile][kPanelColumns]; panels are counted from pass.first_panel.

template <class act>
void winograd_pass_patches(const WinogradConv<act>& conv, const WinogradPass& pass, int64_t group) {
  const WinogradTiles tiles(conv.batch, conv.out_height(), conv.out_width());
  const act* zeros = zero_pixel<act>(conv.channels);
  const uint64_t points = points_of_group(tiles, pass.begin, pass.end, group * kTileRows);
  const int64_t point_pitch = pass.rows * kPitch;
  for (int64_t r = group * kTileRows; r < (group + 1) * kTileRows; ++r)
    transform_tile(pass.patches + r * kPitch, kDepth, kPoints * point_pitch, point_pitch, conv,
                   tiles[std::min(pass.begin + r, pass.end - 1)], points, zeros);
}

template <class act>
void winograd_pass_products(const WinogradConv<act>& conv, const WinogradPass& pass, int64_t panel,
                            int64_t point) {
  const int64_t total = conv.channels / kPerSlot<act>;
  const float* filter = pass.filters + (panel * kPoints + point) * point_pitch(total * kPanelColumns);
  const WinogradTiles tiles(conv.batch, conv.out_height(), conv.out_width());
  const UnitSession<act> session;
  for (int64_t k = 0, block = 0; k < total; k += kDepth, ++block, filter += kDepth * kPanelColumns) {
    const int64_t depth = std::min(kDepth, total - k);
    for (int64_t r = 0; r < pass.rows; r += kTileRows) {
      if (!has_point(points_of_group(tiles, pass.begin, pass.end, r), point)) continue;
      float* sum = pass.sums + ((panel * kPoints + point) * pass.rows + r) * kPanelColumns;
      const float* patch = pass.patches + ((block * kPoints + point) * pass.rows + r) * kPitch;
      for (int64_t j = 0; j < kPanelColumns; j += kTileVectors * kLanes)
        kPointKernel<act, int(kPitch)>(sum + j, patch, filter + j, depth, block > 0,
                                       filter + kDepth * kPanelColumns + r * kPanelColumns);
    }
  }
}

template <class act>
void winograd_pass_outputs(const WinogradConv<act>& conv, const WinogradPass& pass, int64_t panel) {
  finish_tiles(conv, pass.sums + panel * kPoints * pass.rows * kPanelColumns, pass.rows * kPanelColumns,
               pass.begin, pass.end, pass.first_panel + panel);
}

// And where there are few tiles, so that the filters are larger than the images: panel by panel, of whose
// filters a block at a time is transformed and multiplied while it lies in the cache. What memory gives is a
// filter's nine taps instead of its 36 points.

/// The rows of a group where there are `tiles` in all: groups of about the same size, as the tile of
/// registers comes in. The matrix unit has one size.
int64_t winograd_few_group(int64_t tiles, bool by_unit) {
  const int64_t least = ceil_div(tiles, ceil_div(tiles, kTileRows));
  if (by_unit || least > kHalfRows) return kTileRows;
  return least > kQuarterRows ? kHalfRows : kQuarterRows;
}

template <class act>
HWY_INLINE PointKernel few_kernel(int64_t group) {
  constexpr int kColumns = int(kPanelColumns), kRowPitch = int(kFewPitch);
  if (group == kQuarterRows) return multiply_rows<act, kQuarterRows, kTileVectors, kColumns, kRowPitch>;
  if (group == kHalfRows) return multiply_rows<act, kHalfRows, kTileVectors, kColumns, kRowPitch>;
  return multiply_rows<act, kTileRows, kTileVectors, kColumns, kRowPitch>;
}

template <class act>
void winograd_few_patches(const WinogradConv<act>& conv, const WinogradFew& few, int64_t row) {
  const WinogradTiles tiles(conv.batch, conv.out_height(), conv.out_width());
  const act* zeros = zero_pixel<act>(conv.channels);
  const int64_t point_pitch = few.rows * kFewPitch, first = row / few.group * few.group;
  const uint64_t points = tiles.points(first, std::min(tiles.total(), first + few.group));
  transform_tile(few.patches + row * kFewPitch, kFewDepth, kPoints * point_pitch, point_pitch, conv,
                 tiles[std::min(row, tiles.total() - 1)], points, zeros);
}

#if HWY_TARGET == HWY_AVX3
// Four tiles leave the tile of registers half empty and waiting for filters. Instead the sums of a row of six
// points of all four stay in registers, and a filter's points are made there, for each row anew: that is less
// than to store and to load them.
constexpr int kFewest = 4;
// A block is passed 12 times. Meanwhile the next one is fetched, evenly, a line and a half for a channel:
// many lines at once would make the products wait.
constexpr int64_t kFetched = kFewDepth * kTaps * kPanelColumns / 12;

/// Adds `depth` channels to the sums [point][tile][kPanelColumns] of the points in row kY, for kLanes
/// columns, and has memory give kFetched floats from `next` on.
template <int kY>
void fewest_products(float* sums, const float* patches, const float* taps, int64_t depth, bool accumulate,
                     const float* next) {
  const Lanes t;
  sums += kY * 6 * kFewest * kPanelColumns;
  patches += kY * 6 * kFewest * kFewPitch;
  Vector sum[6][kFewest];
  for (int x = 0; x < 6; ++x)
    for (int r = 0; r < kFewest; ++r)
      sum[x][r] = accumulate ? hn::Load(t, sums + (x * kFewest + r) * kPanelColumns) : hn::Zero(t);
  for (int64_t c = 0; c < depth; ++c, taps += kTaps * kPanelColumns) {
    constexpr int64_t kFetchedOfTwo = 2 * kFetched / kFewDepth;
    if (c % 2 == 0)
      for (int64_t i = 0; i < kFetchedOfTwo; i += kLanes)
        __builtin_prefetch(next + c / 2 * kFetchedOfTwo + i, 0, 2);
    Vector rows[6][3], u[6];  // of which the compiler makes those of kY
    transform_columns<float>(rows,
                             [&](int64_t tap) HWY_ATTR { return hn::Load(t, taps + tap * kPanelColumns); });
    transform_filter<float>(u, rows[kY]);
#pragma GCC unroll 6
    for (int x = 0; x < 6; ++x) {
#pragma GCC unroll 4
      for (int r = 0; r < kFewest; ++r)
        sum[x][r] = hn::MulAdd(hn::Set(t, patches[(x * kFewest + r) * kFewPitch + c]), u[x], sum[x][r]);
    }
  }
  for (int x = 0; x < 6; ++x)
    for (int r = 0; r < kFewest; ++r) hn::Store(sum[x][r], t, sums + (x * kFewest + r) * kPanelColumns);
}

void winograd_fewest_products(const WinogradConv<float>& conv, const WinogradFew& few, int64_t panel) {
  constexpr void (*kRows[])(float*, const float*, const float*, int64_t, bool, const float*) = {
      fewest_products<0>, fewest_products<1>, fewest_products<2>,
      fewest_products<3>, fewest_products<4>, fewest_products<5>};
  const WinogradTiles tiles(conv.batch, conv.out_height(), conv.out_width());
  float* sums = scratch(Scratch::tile, kPoints * kFewest * kPanelColumns);
  for (int64_t c = 0, block = 0; c < conv.channels; c += kFewDepth, ++block) {
    const int64_t depth = std::min(kFewDepth, conv.channels - c);
    const float* patches = few.patches + block * kPoints * kFewest * kFewPitch;
    const float* taps = taps_of(conv, c, panel * kPanelColumns);
    const float* next = taps + kFewDepth * kTaps * kPanelColumns;
    for (int64_t j = 0; j < kPanelColumns; j += kLanes)
      for (int64_t y = 0; y < 6; ++y, next += kFetched)
        kRows[y](sums + j, patches, taps + j, depth, block > 0, next);
  }
  finish_tiles(conv, sums, kFewest * kPanelColumns, 0, tiles.total(), panel);
}
#endif

template <class act>
void winograd_few_products(const WinogradConv<act>& conv, const WinogradFew& few, int64_t panel) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (std::is_same_v<act, float>)
    if (conv.taps && few.rows == kFewest) return winograd_fewest_products(conv, few, panel);
#endif
  constexpr int64_t kLine = 16, kFilterPoint = point_pitch(kFewDepth * kPanelColumns);
  constexpr int64_t kBlock = kFewDepth * kPerSlot<act>, kTapsOfBlock = kBlock * kTaps * kPanelColumns;
  const WinogradTiles tiles(conv.batch, conv.out_height(), conv.out_width());
  const int64_t total = conv.channels / kPerSlot<act>, sum_point = few.rows * kPanelColumns;
  const PointKernel kernel = few_kernel<act>(few.group);
  float* sums = scratch(Scratch::tile, kPoints * sum_point);
  float* filters = scratch(Scratch::left, kPoints * kFilterPoint);
  const UnitSession<act> session;
  for (int64_t k = 0, block = 0; k < total; k += kFewDepth, ++block) {
    const int64_t depth = std::min(kFewDepth, total - k);
    const float* next = conv.taps ? taps_of(conv, (block + 1) * kBlock, panel * kPanelColumns) : nullptr;
    for (int64_t i = 0; i < depth * kPerSlot<act>; i += kFilterChannels)
      winograd_filters(filters + i / kPerSlot<act> * kPanelColumns, kFilterPoint, conv, block * kBlock + i,
                       panel * kPanelColumns);
    for (int64_t r = 0; r < few.rows; r += few.group) {
      const uint64_t points = tiles.points(r, std::min(tiles.total(), r + few.group));
      for (int64_t point = 0; point < kPoints; ++point) {
        if (!has_point(points, point)) continue;
        // Meanwhile memory gives the next block.
        if (r == 0 && next)
          for (int64_t i = point * kTapsOfBlock / kPoints; i < (point + 1) * kTapsOfBlock / kPoints;
               i += kLine)
            __builtin_prefetch(next + i, 0, 2);
        const float* patch = few.patches + ((block * kPoints + point) * few.rows + r) * kFewPitch;
        const float* filter = filters + point * kFilterPoint;
        for (int64_t j = 0; j < kPanelColumns; j += kTileVectors * kLanes)
          kernel(sums + point * sum_point + r * kPanelColumns + j, patch, filter + j, depth, block > 0,
                 filter + kFilterPoint);
      }
    }
  }
  finish_tiles(conv, sums, sum_point, 0, tiles.total(), panel);
}

template <class act>
constexpr WinogradSteps<act> kSteps{winograd_filters<act>,      winograd_chunk<act>,
                                    winograd_pass_patches<act>, winograd_pass_products<act>,
                                    winograd_pass_outputs<act>, winograd_few_patches<act>,
                                    winograd_few_products<act>};

WinogradSteps<float> winograd_steps() {
  return kSteps<float>;
}
// None where the processor has no products of pairs.
WinogradSteps<BFloat16> winograd_steps_bf16() {
#if HWY_TARGET == HWY_AVX3
  return kSteps<BFloat16>;
#else
  return {};
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(winograd_layout);
HWY_EXPORT(winograd_few_group);
HWY_EXPORT(winograd_steps);
HWY_EXPORT(winograd_steps_bf16);

namespace {
// Floats of transformed patches and of sums in a chunk: a fifth of an L2 cache of 2 MB, two fifths of 1 MB.
// The filters pass by the rest.
constexpr int64_t kResident = 3 << 15;
constexpr int64_t kChunks = 16;
// At most so many tiles are few, and at least so many panels enough pieces of work.
constexpr int64_t kFewTiles = 32, kFewestPanels = 4;
// Groups of tiles in a pass, and panels whose transformed filters are held at a time.
constexpr int64_t kPassGroups = 16, kHeldPanels = 8;

template <class act>
WinogradSteps<act> steps() {
  if constexpr (std::is_same_v<act, float>) {
    return HWY_DYNAMIC_DISPATCH(winograd_steps)();
  } else {
    return HWY_DYNAMIC_DISPATCH(winograd_steps_bf16)();
  }
}

/// filters [panel - begin][point][channel or pair][kPanelColumns] of panels [begin, end), points point_pitch
/// apart.
template <class act>
void transform_panels(float* filters, const WinogradConv<act>& conv, int64_t begin, int64_t end) {
  const int64_t filter_point = point_pitch(conv.channels / kPerSlot<act> * kPanelColumns),
                blocks = conv.channels / kFilterChannels;
  const auto transform = steps<act>().filters;
  parallel_for(blocks * (end - begin), [&](int64_t block) {
    const int64_t panel = block / blocks, c = block % blocks * kFilterChannels;
    transform(filters + panel * kPoints * filter_point + c / kPerSlot<act> * kPanelColumns, filter_point,
              conv, c, (begin + panel) * kPanelColumns);
  });
}

template <class act>
void winograd_in_passes(const WinogradConv<act>& conv, int64_t total) {
  const auto [group, depth, pitch] = HWY_DYNAMIC_DISPATCH(winograd_layout)();
  const int64_t panels = conv.columns / kPanelColumns, total_depth = conv.channels / kPerSlot<act>;
  const int64_t blocks = ceil_div(total_depth, depth);
  const int64_t most = std::min(kPassGroups, ceil_div(total, group)) * group;
  // Filters that are transformed for one pass are used once: a few are held at a time.
  const int64_t held = total > most ? panels : std::min(kHeldPanels, panels);
  float* patches = scratch(Scratch::partials, blocks * kPoints * most * pitch);
  float* sums = scratch(Scratch::left, held * kPoints * most * kPanelColumns);
  float* filters = scratch(Scratch::weights, held * kPoints * point_pitch(total_depth * kPanelColumns));
  for (int64_t begin = 0; begin < total; begin += most) {
    const int64_t end = std::min(total, begin + most), groups = ceil_div(end - begin, group);
    WinogradPass pass{.patches = patches,
                      .sums = sums,
                      .filters = filters,
                      .begin = begin,
                      .end = end,
                      .rows = groups * group,
                      .first_panel = 0};
    const auto transform = steps<act>().pass_patches;
    parallel_for(groups, [&](int64_t i) { transform(conv, pass, i); });
    for (int64_t first = 0; first < panels; first += held) {
      const int64_t count = std::min(held, panels - first);
      pass.first_panel = first;
      if (begin == 0) transform_panels(filters, conv, first, first + count);
      const auto multiply = steps<act>().pass_products;
      parallel_for(kPoints * count, [&](int64_t i) { multiply(conv, pass, i % count, i / count); });
      const auto finish = steps<act>().pass_outputs;
      parallel_for(count, [&](int64_t panel) { finish(conv, pass, panel); });
    }
  }
}

template <class act>
void winograd_of_few(const WinogradConv<act>& conv, int64_t total) {
  const bool by_unit = std::is_same_v<act, BFloat16> && matrix_unit();
  const int64_t group = HWY_DYNAMIC_DISPATCH(winograd_few_group)(total, by_unit);
  const int64_t rows = round_up(total, group);
  const int64_t blocks = ceil_div(conv.channels / kPerSlot<act>, kFewDepth);
  const WinogradFew few{.patches = scratch(Scratch::partials, blocks * kPoints * rows * kFewPitch),
                        .rows = rows,
                        .group = group};
  const auto transform = steps<act>().few_patches;
  parallel_for(rows, [&](int64_t row) { transform(conv, few, row); });
  const auto multiply = steps<act>().few_products;
  parallel_for(conv.columns / kPanelColumns, [&](int64_t panel) { multiply(conv, few, panel); });
}
}  // namespace

bool winograd_applies(const Conv2dShape& s, int64_t channels, int64_t columns, int64_t padding) {
  return s.kernel_height == 3 && s.kernel_width == 3 && s.stride == 1 && s.dilation == 1 && padding >= 0 &&
         s.out_height() > 0 && s.out_width() > 0 && columns > 0 && columns % kPanelColumns == 0 &&
         channels > 0 && channels % kFilterChannels == 0;
}

template <class act>
void winograd_pack_taps(float* taps, const WinogradConv<act>& conv) {
  parallel_for(conv.columns / kPanelColumns, [&](int64_t panel) {
    // A line of channels at a time: what it is written to stays in the cache.
    for (int64_t c = 0; c < conv.channels; c += kFilterChannels) {
      float* to = taps + (panel * conv.channels + c) * kTaps * kPanelColumns;
      for (int64_t column = 0; column < kPanelColumns; ++column) {
        const float* filter = conv.w + (panel * kPanelColumns + column) * kTaps * conv.channels + c;
        for (int64_t tap = 0; tap < kTaps; ++tap)
          for (int64_t i = 0; i < kFilterChannels; ++i)
            to[(i * kTaps + tap) * kPanelColumns + column] = filter[tap * conv.channels + i];
      }
    }
  });
}

template <class act>
void winograd(const WinogradConv<act>& conv) {
  const int64_t total = WinogradTiles(conv.batch, conv.out_height(), conv.out_width()).total();
  if (total == 0) return;
  const auto [rows, depth, pitch] = HWY_DYNAMIC_DISPATCH(winograd_layout)();
  if (total <= kFewTiles && conv.columns >= kFewestPanels * kPanelColumns)
    return winograd_of_few(conv, total);
  // Then the filters are larger than a cache.
  if (conv.channels > depth) return winograd_in_passes(conv, total);

  const int64_t slots = conv.channels / kPerSlot<act>;
  const int64_t panels = conv.columns / kPanelColumns;
  float* filters = scratch(Scratch::weights, panels * kPoints * point_pitch(slots * kPanelColumns));
  transform_panels(filters, conv, 0, panels);
  const int64_t fitting = kResident / (kPoints * (slots + kPanelColumns)) / rows;
  const int64_t wanted = ceil_div(ceil_div(total, kChunks), rows);
  const int64_t tiles = std::clamp<int64_t>(std::min(fitting, wanted), 1, total) * rows;
  const auto chunk = steps<act>().chunk;
  parallel_ranges(total, tiles,
                  [&](int64_t begin, int64_t end, int64_t) { chunk(conv, filters, begin, end); });
}

template void winograd_pack_taps<float>(float*, const WinogradConv<float>&);
template void winograd_pack_taps<BFloat16>(float*, const WinogradConv<BFloat16>&);
template void winograd<float>(const WinogradConv<float>&);
template void winograd<BFloat16>(const WinogradConv<BFloat16>&);

}  // namespace signet::cpu
#endif
