#pragma once
// A convolution seen as a matrix product whose left matrix is never built: row m stands for a pixel of a
// grid, column (tap, channel) for what that tap of the filter sees there. The forward pass, the gradient by
// the data (one grid for each phase of the stride) and plain matrices are all described by it.

#include <cstdint>
#include <vector>

namespace signet::cpu {

/// Where a tap looks, relative to its pixel, and where its slice of the right matrix begins.
struct Tap {
  int64_t dy = 0, dx = 0, offset = 0;
};

/// Neighbouring taps of one filter row, whose channels lie one after another in memory: columns
/// [column, column + taps * channels).
struct TapRun {
  int64_t dy = 0, dx = 0, taps = 1, column = 0;
};

/// Row m = (n * grid_height + gy) * grid_width + gx, column k = t * channels + c is
/// x[n, gy * step + taps[t].dy, gx * step + taps[t].dx, c], and 0 outside of the plane. If `transposed`, x is
/// a matrix stored [channels, grid_width] (one tap, one image, grid_height = 1).
template <class T>
struct Gather {
  const T* x = nullptr;
  int64_t height = 1, width = 1, channels = 1;
  int64_t grid_height = 1, grid_width = 1, step = 1;
  std::vector<Tap> taps = {};
  std::vector<TapRun> runs = {};
  bool transposed = false;

  int64_t columns() const { return int64_t(taps.size()) * channels; }

  void add_tap(const Tap& tap) {
    if (!runs.empty() && runs.back().dy == tap.dy && runs.back().dx + runs.back().taps == tap.dx) {
      ++runs.back().taps;
    } else {
      runs.push_back({.dy = tap.dy, .dx = tap.dx, .taps = 1, .column = columns()});
    }
    taps.push_back(tap);
  }
};

}  // namespace signet::cpu
