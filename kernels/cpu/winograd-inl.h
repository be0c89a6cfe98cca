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

/// The images that patches are taken from.
struct WinogradPlane {
  int64_t height, width, channels, padding;
};

/// Where the channels of a tile's 6x6 input pixels begin; `zeros` for those in the padding.
template <class act>
void patch_pixels(const act* (&pixels)[kPoints], const act* x, const WinogradPlane& plane,
                  const WinogradTile& tile, const act* zeros) {
  // Chosen by masks: branches would go another way in every tile, and took a tenth of small convolutions.
  const auto nowhere = reinterpret_cast<uintptr_t>(zeros);
  const int64_t top = tile.y - plane.padding, first = tile.x - plane.padding;
  uintptr_t columns[kPatchSide];
  for (int64_t j = 0; j < kPatchSide; ++j)
    columns[j] = uint64_t(first + j) < uint64_t(plane.width) ? ~uintptr_t{0} : 0;
  for (int64_t i = 0; i < kPatchSide; ++i) {
    const uintptr_t row = uint64_t(top + i) < uint64_t(plane.height) ? ~uintptr_t{0} : 0;
    const int64_t line = (tile.image * plane.height + top + i) * plane.width + first;
    for (int64_t j = 0; j < kPatchSide; ++j) {
      const uintptr_t pixel =
          reinterpret_cast<uintptr_t>(x) + uintptr_t((line + j) * plane.channels) * sizeof(act);
      pixels[i * kPatchSide + j] =
          reinterpret_cast<const act*>(nowhere + ((pixel - nowhere) & row & columns[j]));
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

/// Transforms a patch of kRows by kColumns outputs, whose pixels' channels begin at `pixels`, to
/// to[point * point_pitch + channel]: floats, or neighbouring channels in pairs.
template <int kRows, int kColumns, class To, class act>
HWY_INLINE void transform_patch_of(To* to, int64_t point_pitch, const act* const (&pixels)[kPoints],
                                   int64_t channels) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    Vector columns[6][6];  // [y][x], transformed along y
    for (int x = 0; x < kColumns + 2; ++x) {
      Vector d[6], v[6];
      for (int y = 0; y < kRows + 2; ++y) d[y] = load(pixels[y * 6 + x] + c);
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
template <class To, class act>
HWY_INLINE void transform_patch(To* to, int64_t point_pitch, const act* const (&pixels)[kPoints],
                                int64_t channels, const WinogradTile& tile, uint64_t points) {
  with_sides(tile, [&](auto rows, auto columns) HWY_ATTR {
    transform_patch_of<rows.value, columns.value>(to, point_pitch, pixels, channels);
  });
  fill_other_points(to, point_pitch, channels, tile, points);
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#endif
