// Copying parts of a gathered matrix (gather.h) into panels for the register tile, for each target.

#if defined(SIGNET_CPU_GATHER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SIGNET_CPU_GATHER_INL
#undef SIGNET_CPU_GATHER_INL
#else
#define SIGNET_CPU_GATHER_INL
#endif

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/cpu/bf16-inl.h"
#include "kernels/cpu/gather.h"
#include "kernels/cpu/microkernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

struct GridPixel {
  int64_t image, y, x;
};

template <class T>
HWY_INLINE GridPixel grid_pixel(const Gather<T>& g, int64_t row) {
  const int64_t line = row / g.grid_width;
  return {line / g.grid_height, line % g.grid_height, row % g.grid_width};
}

template <class T>
HWY_INLINE void next_pixel(const Gather<T>& g, GridPixel& p) {
  if (++p.x == g.grid_width) {
    p.x = 0;
    if (++p.y == g.grid_height) {
      p.y = 0;
      ++p.image;
    }
  }
}

// Both write whole vectors, beyond `count` as well; copy_run reads exactly `count` values.
HWY_INLINE void zero_run(float* to, int64_t count) {
  const Lanes d;
  for (int64_t i = 0; i < count; i += kLanes) hn::StoreU(hn::Zero(d), d, to + i);
}

HWY_INLINE void copy_run(float* HWY_RESTRICT to, const float* HWY_RESTRICT from, int64_t count) {
  const Lanes d;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  if (i < count) hn::StoreU(hn::MaskedLoad(hn::FirstN(d, size_t(count - i)), d, from + i), d, to + i);
}

#if HWY_TARGET == HWY_AVX3
HWY_INLINE void copy_run(float* HWY_RESTRICT to, const BFloat16* HWY_RESTRICT from, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(load(from + i), to + i);
  if (i < count) {
    store(hn::Zero(Lanes()), to + i);
    for (; i < count; ++i) to[i] = from[i];
  }
}
#endif

// Where packed columns go: column k_begin + j of row r to
// to[j / width * panel_pitch + r * pitch + j % width].
struct Panels {
  float* to;
  int64_t width, panel_pitch, pitch;
};

#if HWY_TARGET != HWY_SCALAR
// to[i * to_pitch + j] = from[j * from_pitch + i] for i, j < 4.
HWY_INLINE void transpose4(float* to, int64_t to_pitch, const float* from, int64_t from_pitch) {
  const hn::FixedTag<float, 4> d;
  const auto r0 = hn::LoadU(d, from), r1 = hn::LoadU(d, from + from_pitch);
  const auto r2 = hn::LoadU(d, from + 2 * from_pitch), r3 = hn::LoadU(d, from + 3 * from_pitch);
  const auto a = hn::InterleaveLower(d, r0, r2), b = hn::InterleaveUpper(d, r0, r2);
  const auto e = hn::InterleaveLower(d, r1, r3), f = hn::InterleaveUpper(d, r1, r3);
  hn::Store(hn::InterleaveLower(d, a, e), d, to);
  hn::Store(hn::InterleaveUpper(d, a, e), d, to + to_pitch);
  hn::Store(hn::InterleaveLower(d, b, f), d, to + 2 * to_pitch);
  hn::Store(hn::InterleaveUpper(d, b, f), d, to + 3 * to_pitch);
}
#endif

HWY_INLINE void pack_transposed(const Panels& panels, const Gather<float>& g, int64_t row, int64_t rows,
                                int64_t k_begin, int64_t k_end) {
  const auto place = [&](int64_t k) HWY_ATTR {
    return panels.to + (k - k_begin) / panels.width * panels.panel_pitch + (k - k_begin) % panels.width;
  };
  int64_t k = k_begin;
#if HWY_TARGET != HWY_SCALAR
  for (; k + 4 <= k_end; k += 4) {
    const float* from = g.x + k * g.grid_width + row;
    float* to = place(k);
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) transpose4(to + r * panels.pitch, panels.pitch, from + r, g.grid_width);
    for (; r < rows; ++r)
      for (int64_t i = 0; i < 4; ++i) to[r * panels.pitch + i] = from[i * g.grid_width + r];
  }
#endif
  for (; k < k_end; ++k)
    for (int64_t r = 0; r < rows; ++r) place(k)[r * panels.pitch] = g.x[k * g.grid_width + row + r];
}

// Packs rows [row, row + rows), columns [k_begin, k_end), then a vector of zeros in the last panel. What
// follows each row in its panel is spoilt by up to two vectors, so panels end with as much to spare.
template <class T>
HWY_INLINE void pack_gather(const Panels& panels, const Gather<T>& g, int64_t row, int64_t rows,
                            int64_t k_begin, int64_t k_end) {
  if constexpr (std::is_same_v<T, float>) {
    if (g.transposed) return pack_transposed(panels, g, row, rows, k_begin, k_end);
  }
  const TapRun* first_run = g.runs.data();
  const TapRun* const runs_end = first_run + g.runs.size();
  while (first_run != runs_end && first_run->column + first_run->taps * g.channels <= k_begin) ++first_run;
  GridPixel p = grid_pixel(g, row);
  for (int64_t r = 0; r < rows; ++r, next_pixel(g, p)) {
    const T* image = g.x + p.image * g.height * g.width * g.channels;
    float* to = panels.to + r * panels.pitch;
    int64_t room = panels.width;
    // Calls step(to, k, count) for the columns [k, stop), cut where a panel ends.
    const auto for_pieces = [&](int64_t k, int64_t stop, auto&& step) HWY_ATTR {
      while (k < stop) {
        if (room == 0) {
          to += panels.panel_pitch - panels.width;
          room = panels.width;
        }
        const int64_t count = stop - k < room ? stop - k : room;
        step(to, k, count);
        to += count;
        room -= count;
        k += count;
      }
    };
    const auto zeros = [](float* piece, int64_t, int64_t count) HWY_ATTR { zero_run(piece, count); };
    int64_t k = k_begin;
    for (const TapRun* run = first_run; k < k_end; ++run) {
      const int64_t stop = std::min(run->column + run->taps * g.channels, k_end);
      const int64_t y = p.y * g.step + run->dy, x = p.x * g.step + run->dx;
      // Columns [first, last) of the run see the plane, the others its padding.
      int64_t first = k, last = stop;
      if (uint64_t(y) >= uint64_t(g.height)) {
        first = stop;
      } else if (x < 0 || x + run->taps > g.width) {
        first = std::clamp(run->column - std::min<int64_t>(x, 0) * g.channels, k, stop);
        last = std::clamp(run->column + std::min(g.width - x, run->taps) * g.channels, first, stop);
      }
      const int64_t origin = (y * g.width + x) * g.channels - run->column;
      for_pieces(k, first, zeros);
      for_pieces(first, last, [&](float* piece, int64_t at, int64_t count) HWY_ATTR {
        copy_run(piece, image + (origin + at), count);
      });
      for_pieces(last, stop, zeros);
      k = stop;
    }
    zero_run(to, 1);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#endif
