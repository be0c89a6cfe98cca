// What Winograd's forward pass and weight gradient share, for each target: tiles, the transform of patches.

#if defined(SIGNET_CPU_WINOGRAD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SIGNET_CPU_WINOGRAD_INL
#undef SIGNET_CPU_WINOGRAD_INL
#else
#define SIGNET_CPU_WINOGRAD_INL
#endif

#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "kernels/cpu/bf16-inl.h"
#include "kernels/cpu/chunks.h"
#include "kernels/cpu/maximum-inl.h"
#include "kernels/cpu/microkernel-inl.h"
#include "kernels/winograd_points.h"

#ifndef SIGNET_CPU_WINOGRAD_INL_ONCE
#define SIGNET_CPU_WINOGRAD_INL_ONCE
namespace signet::cpu {

constexpr int64_t kPatchSide = 6, kPoints = kPatchSide * kPatchSide;
constexpr int64_t kOutSide = 4;  // of a tile

// A tile at the lower or right edge of an image may have room for fewer outputs a side. For 3 or 2 of them 5
// or 4 of the points are enough, with the transformed filters of all 6 (their scales are made good by the
// patch): 0, a, -a and infinity, and b for 3.

/// How far points lie apart that have so many floats each: a cache line more, for multiples of 4 KB would put
/// all 36 of a place into one set of the L1 cache.
constexpr int64_t point_pitch(int64_t floats) {
  return floats + 16;
}

/// Of the outputs a side that lie inside of the image, those that transforms are made for: 4, 3 or 2.
constexpr int64_t transformed_side(int64_t inside) {
  return std::clamp<int64_t>(inside, 2, kOutSide);
}
/// The points along a side, as bits.
constexpr uint64_t points_of_side(int64_t side) {
  return side == 2 ? 0b100111 : side == 3 ? 0b101111 : 0b111111;
}
/// The 36 points of a tile, as bits: row * 6 + column.
constexpr uint64_t points_of_tile(int64_t rows, int64_t columns) {
  uint64_t points = 0;
  for (int64_t i = 0; i < kPatchSide; ++i)
    if (points_of_side(rows) >> i & 1) points |= points_of_side(columns) << i * kPatchSide;
  return points;
}
constexpr bool has_point(uint64_t points, int64_t point) {
  return (points >> point & 1) != 0;
}

/// A tile's first output pixel, and the sides it is transformed with.
struct WinogradTile {
  int64_t image, y, x, rows, columns;

  uint64_t points() const { return points_of_tile(rows, columns); }
};

/// The tiles of a batch. Those of a kind are numbered one after another, so that most groups of them need the
/// points of one kind alone: whole ones, those at the right edge, at the lower edge, and at both. Within a
/// kind the order is that of images, rows and columns.
class WinogradTiles {
 public:
  WinogradTiles(int64_t batch, int64_t out_height, int64_t out_width)
      : down_(out_height / kOutSide),
        across_(out_width / kOutSide),
        rest_down_(out_height % kOutSide),
        rest_across_(out_width % kOutSide) {
    const int64_t lower = rest_down_ > 0, right = rest_across_ > 0;
    end_[0] = batch * down_ * across_;
    end_[1] = end_[0] + batch * down_ * right;
    end_[2] = end_[1] + batch * lower * across_;
    end_[3] = end_[2] + batch * lower * right;
  }

  int64_t total() const { return end_[3]; }

  WinogradTile operator[](int64_t index) const {
    const int64_t kind = kind_of(index);
    const bool right = kind % 2 != 0, lower = kind >= 2;
    if (kind > 0) index -= end_[kind - 1];
    const int64_t across = right ? 1 : across_, down = lower ? 1 : down_, line = index / across;
    return {.image = line / down,
            .y = (lower ? down_ : line % down) * kOutSide,
            .x = (right ? across_ : index % across) * kOutSide,
            .rows = rows_of(kind),
            .columns = columns_of(kind)};
  }

  /// The points that tiles [begin, end) need between them.
  uint64_t points(int64_t begin, int64_t end) const {
    uint64_t points = 0;
    for (int64_t kind = kind_of(begin); kind < 4 && (kind == 0 || end_[kind - 1] < end); ++kind)
      points |= points_of_tile(rows_of(kind), columns_of(kind));
    return points;
  }

 private:
  int64_t kind_of(int64_t index) const {
    int64_t kind = 0;
    while (kind < 3 && index >= end_[kind]) ++kind;
    return kind;
  }
  int64_t rows_of(int64_t kind) const { return kind >= 2 ? transformed_side(rest_down_) : kOutSide; }
  int64_t columns_of(int64_t kind) const { return kind % 2 != 0 ? transformed_side(rest_across_) : kOutSide; }

  int64_t down_, across_;            // whole tiles
  int64_t rest_down_, rest_across_;  // outputs beyond them
  int64_t end_[4];                   // of each kind
};

/// The images that patches and tiles are taken from.
struct WinogradPlane {
  int64_t height, width, channels;
};

/// Where the channels of the pixels of a square of `kSide` begin.
template <class act, int64_t kSide>
struct SquareOfPixels {
  using Activation = act;
  const act* pixels[kSide * kSide];
};

/// The same of an image that is the gradient of a 2x2 max-pool's input: windows' gradients and their places
/// (conv2d_relu_maxpool_forward), and the places of pixels, [row % 2][column % 2] of the square. A pixel is
/// its window's gradient where the window's place is its own, else 0.
template <class act, int64_t kSide>
struct SquareOfWindows {
  using Activation = act;
  const act* pixels[kSide * kSide];
  const uint8_t* places[kSide * kSide];
  int32_t own[2][2];
};

// Pixels are chosen by masks: branches would go another way in every tile, and took a tenth of small
// convolutions.

/// `from`, or where the mask has no bits `zeros`.
template <class number>
const number* chosen(const number* from, const void* zeros, uintptr_t mask) {
  const auto nowhere = reinterpret_cast<uintptr_t>(zeros);
  return reinterpret_cast<const number*>(nowhere + ((reinterpret_cast<uintptr_t>(from) - nowhere) & mask));
}

/// All bits for a place inside of [0, extent).
constexpr uintptr_t mask_inside(int64_t place, int64_t extent) {
  return uint64_t(place) < uint64_t(extent) ? ~uintptr_t{0} : 0;
}

/// The square whose first pixel is (top, left) of an image of x; `zeros` for pixels in the padding.
template <class act, int64_t kSide>
void find_pixels(SquareOfPixels<act, kSide>& square, const act* x, const WinogradPlane& plane, int64_t image,
                 int64_t top, int64_t left, const act* zeros) {
  uintptr_t columns[kSide];
  for (int64_t j = 0; j < kSide; ++j) columns[j] = mask_inside(left + j, plane.width);
  for (int64_t i = 0; i < kSide; ++i) {
    const uintptr_t row = mask_inside(top + i, plane.height);
    const act* line = x + ((image * plane.height + top + i) * plane.width + left) * plane.channels;
    for (int64_t j = 0; j < kSide; ++j)
      square.pixels[i * kSide + j] = chosen(line + j * plane.channels, zeros, row & columns[j]);
  }
}

/// The same from the gradients and places of windows; at `zeros` there are `channels` floats.
template <class act, int64_t kSide>
void find_windows(SquareOfWindows<act, kSide>& square, const act* dy, const uint8_t* places,
                  const WinogradPlane& plane, int64_t image, int64_t top, int64_t left, const act* zeros) {
  const int64_t height = plane.height / 2, width = plane.width / 2;
  uintptr_t columns[kSide];
  for (int64_t j = 0; j < kSide; ++j) columns[j] = mask_inside(left + j, 2 * width);
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 2; ++j) square.own[i][j] = int32_t(((top + i) & 1) * 2 + ((left + j) & 1));
  for (int64_t i = 0; i < kSide; ++i) {
    const int64_t y = top + i;
    const uintptr_t row = mask_inside(y, 2 * height);
    for (int64_t j = 0; j < kSide; ++j) {
      const int64_t x = left + j, at = ((image * height + (y >> 1)) * width + (x >> 1)) * plane.channels;
      const uintptr_t mask = row & columns[j];
      square.pixels[i * kSide + j] = chosen(dy + at, zeros, mask);
      square.places[i * kSide + j] = chosen(places + at, zeros, mask);
    }
  }
}

}  // namespace signet::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

/// B' d, for a patch's side: kSide + 2 vectors, to those of the points of kSide. For fewer than 4 outputs the
/// rows are those of the interpolation through fewer points, times what the filters' scales of six points
/// have too little.
template <class act, int kSide>
HWY_INLINE void transform_input(Vector (&v)[6], const Vector (&d)[6]) {
  using Points = WinogradPoints<act>;
  constexpr float a = Points::kA, b = Points::kB, a2 = Points::kA2, b2 = Points::kB2;
  const Lanes t;
  const auto times = [&](float factor, Vector value) HWY_ATTR { return hn::Mul(hn::Set(t, factor), value); };
  const auto plus = [&](float factor, Vector value, Vector sum)
                        HWY_ATTR { return hn::MulAdd(hn::Set(t, factor), value, sum); };
  if constexpr (kSide == 2) {
    v[0] = times(-b2, plus(-a2, d[0], d[2]));
    v[1] = times(a2 - b2, plus(a, d[1], d[2]));
    v[2] = times(a2 - b2, plus(-a, d[1], d[2]));
    v[5] = plus(-a2, d[1], d[3]);
  } else if constexpr (kSide == 3) {
    const auto odd = plus(-a2, d[1], d[3]), even = plus(-a2, d[0], d[2]), last = plus(-a2, d[2], d[4]);
    v[0] = times(b, plus(-b, even, odd));
    v[1] = times(a + b, plus(a - b, d[2], plus(-a * b, d[1], d[3])));
    v[2] = times(b - a, plus(-a - b, d[2], plus(a * b, d[1], d[3])));
    v[3] = times(2 * b, odd);
    v[5] = plus(-b, odd, last);
  } else {
    const auto even_a = plus(-b2, d[2], d[4]), even_b = plus(-a2, d[2], d[4]);
    const auto odd_a = plus(-b2, d[1], d[3]), odd_b = plus(-a2, d[1], d[3]);
    v[0] = plus(a2 * b2, d[0], plus(-a2 - b2, d[2], d[4]));
    v[1] = plus(a, odd_a, even_a);
    v[2] = plus(-a, odd_a, even_a);
    v[3] = plus(b, odd_b, even_b);
    v[4] = plus(-b, odd_b, even_b);
    v[5] = plus(a2 * b2, d[1], plus(-a2 - b2, d[3], d[5]));
  }
}

/// kLanes channels of pixel i of a square, from c on.
template <class act, int64_t kSide>
HWY_INLINE Vector load_pixel(const SquareOfPixels<act, kSide>& square, int i, int64_t c) {
  return load(square.pixels[i] + c);
}
template <class act, int64_t kSide>
HWY_INLINE Vector load_pixel(const SquareOfWindows<act, kSide>& square, int i, int64_t c) {
  return won_by(load(square.pixels[i] + c), square.places[i] + c, square.own[i / kSide % 2][i % kSide % 2]);
}

/// Transforms a patch of kRows by kColumns outputs, channels [first, first + channels) of its pixels, to
/// to[point * point_pitch + channel - first]: floats, or neighbouring channels in pairs.
template <int kRows, int kColumns, class To, class Square>
HWY_INLINE void transform_patch_of(To* to, int64_t point_pitch, const Square& square, int64_t first,
                                   int64_t channels) {
  using act = typename Square::Activation;
  for (int64_t c = 0; c < channels; c += kLanes) {
    Vector columns[6][6];  // [y][x], transformed along y
    for (int x = 0; x < kColumns + 2; ++x) {
      Vector d[6], v[6];
      for (int y = 0; y < kRows + 2; ++y) d[y] = load_pixel(square, y * 6 + x, first + c);
      transform_input<act, kRows>(v, d);
      for (int y = 0; y < 6; ++y)
        if (points_of_side(kRows) >> y & 1) columns[y][x] = v[y];
    }
    for (int y = 0; y < 6; ++y) {
      if (!(points_of_side(kRows) >> y & 1)) continue;
      Vector v[6];
      transform_input<act, kColumns>(v, columns[y]);
      for (int x = 0; x < 6; ++x)
        if (points_of_side(kColumns) >> x & 1) store(v[x], to + (y * 6 + x) * point_pitch + c);
    }
  }
}

/// Calls body with the sides of a tile as constants.
template <class Body>
HWY_INLINE void with_sides(const WinogradTile& tile, const Body& body) {
  const auto with_rows = [&](auto rows) HWY_ATTR {
    if (tile.columns == 2) return body(rows, std::integral_constant<int, 2>());
    if (tile.columns == 3) return body(rows, std::integral_constant<int, 3>());
    body(rows, std::integral_constant<int, 4>());
  };
  if (tile.rows == 2) return with_rows(std::integral_constant<int, 2>());
  if (tile.rows == 3) return with_rows(std::integral_constant<int, 3>());
  with_rows(std::integral_constant<int, 4>());
}

/// Zeros at those of `points` that a tile does not need: others of its group do.
template <class To>
HWY_INLINE void fill_other_points(To* to, int64_t point_pitch, int64_t count, const WinogradTile& tile,
                                  uint64_t points) {
  for (uint64_t rest = points & ~tile.points(); rest != 0; rest &= rest - 1)
    std::fill_n(to + std::countr_zero(rest) * point_pitch, count, To(0));
}

/// The same for a tile, and zeros at those of `points` that it does not need.
template <class To, class Square>
HWY_INLINE void transform_patch(To* to, int64_t point_pitch, const Square& square, int64_t first,
                                int64_t channels, const WinogradTile& tile, uint64_t points) {
  with_sides(tile, [&](auto rows, auto columns) HWY_ATTR {
    transform_patch_of<rows.value, columns.value>(to, point_pitch, square, first, channels);
  });
  fill_other_points(to, point_pitch, channels, tile, points);
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#endif
