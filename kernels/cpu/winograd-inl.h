// What Winograd's forward pass and weight gradient share, for each target: tiles, the transform of patches.

#if defined(SIGNET_CPU_WINOGRAD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SIGNET_CPU_WINOGRAD_INL
#undef SIGNET_CPU_WINOGRAD_INL
#else
#define SIGNET_CPU_WINOGRAD_INL
#endif

#include <cstdint>

#include "kernels/cpu/bf16-inl.h"
#include "kernels/cpu/chunks.h"
#include "kernels/cpu/microkernel-inl.h"
#include "kernels/winograd_points.h"

#ifndef SIGNET_CPU_WINOGRAD_INL_ONCE
#define SIGNET_CPU_WINOGRAD_INL_ONCE
namespace signet::cpu {

constexpr int64_t kPatchSide = 6, kPoints = kPatchSide * kPatchSide;
constexpr int64_t kOutSide = 4;  // of a tile

/// Tiles are numbered over images, rows and columns.
struct WinogradTiles {
  int64_t down, across, total;
};
inline WinogradTiles winograd_tiles(int64_t batch, int64_t out_height, int64_t out_width) {
  const int64_t down = ceil_div(out_height, kOutSide), across = ceil_div(out_width, kOutSide);
  return {down, across, batch * down * across};
}

/// A tile's first output pixel.
struct WinogradTile {
  int64_t image, y, x;
};
inline WinogradTile winograd_tile(const WinogradTiles& tiles, int64_t index) {
  const int64_t line = index / tiles.across;
  return {line / tiles.down, line % tiles.down * kOutSide, index % tiles.across * kOutSide};
}

/// The images that patches are taken from.
struct WinogradPlane {
  int64_t height, width, channels, padding;
};

/// Where the channels of a tile's 6x6 input pixels begin; `zeros` for those in the padding.
template <class act>
void patch_pixels(const act* (&pixels)[kPoints], const act* x, const WinogradPlane& plane,
                  const WinogradTile& tile, const act* zeros) {
  x += tile.image * plane.height * plane.width * plane.channels;
  for (int64_t i = 0; i < kPatchSide; ++i) {
    for (int64_t j = 0; j < kPatchSide; ++j) {
      const int64_t row = tile.y - plane.padding + i, column = tile.x - plane.padding + j;
      const bool inside = uint64_t(row) < uint64_t(plane.height) && uint64_t(column) < uint64_t(plane.width);
      pixels[i * kPatchSide + j] = inside ? x + (row * plane.width + column) * plane.channels : zeros;
    }
  }
}

}  // namespace signet::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

/// B' d, for six vectors.
template <class act>
HWY_INLINE void transform_input(Vector (&v)[6], const Vector (&d)[6]) {
  using Points = WinogradPoints<act>;
  const Lanes t;
  const auto even_a = hn::NegMulAdd(hn::Set(t, Points::kB2), d[2], d[4]);
  const auto even_b = hn::NegMulAdd(hn::Set(t, Points::kA2), d[2], d[4]);
  const auto odd_a = hn::NegMulAdd(hn::Set(t, Points::kB2), d[1], d[3]);
  const auto odd_b = hn::NegMulAdd(hn::Set(t, Points::kA2), d[1], d[3]);
  const auto middle = hn::Set(t, Points::kA2 + Points::kB2), outer = hn::Set(t, Points::kA2 * Points::kB2);
  v[0] = hn::MulAdd(outer, d[0], hn::NegMulAdd(middle, d[2], d[4]));
  v[1] = hn::MulAdd(hn::Set(t, Points::kA), odd_a, even_a);
  v[2] = hn::NegMulAdd(hn::Set(t, Points::kA), odd_a, even_a);
  v[3] = hn::MulAdd(hn::Set(t, Points::kB), odd_b, even_b);
  v[4] = hn::NegMulAdd(hn::Set(t, Points::kB), odd_b, even_b);
  v[5] = hn::MulAdd(outer, d[1], hn::NegMulAdd(middle, d[3], d[5]));
}

/// Transforms a patch, whose pixels' channels begin at `pixels`, to to[point * point_pitch + channel]:
/// floats, or neighbouring channels in pairs.
template <class To, class act>
HWY_INLINE void transform_patch(To* to, int64_t point_pitch, const act* const (&pixels)[kPoints],
                                int64_t channels) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    Vector columns[6][6];  // [y][x], transformed along y
    for (int x = 0; x < 6; ++x) {
      Vector d[6], v[6];
      for (int y = 0; y < 6; ++y) d[y] = load(pixels[y * 6 + x] + c);
      transform_input<act>(v, d);
      for (int y = 0; y < 6; ++y) columns[y][x] = v[y];
    }
    for (int y = 0; y < 6; ++y) {
      Vector v[6];
      transform_input<act>(v, columns[y]);
      for (int x = 0; x < 6; ++x) store(v[x], to + (y * 6 + x) * point_pitch + c);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#endif
