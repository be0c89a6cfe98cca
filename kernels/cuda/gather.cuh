#pragma once
// Where the operands of a matrix product come from. A source tells the address of element (row, k) in two
// parts, so that what depends on the row alone or on k alone is computed once:
//   Element                                      float or BFloat16
//   Row row(int r), Step step(int k)             anything, also beyond the matrix
//   const Element* at(Row, Step, bool& inside)   the address; to be read only if inside
// Elements outside of the matrix, or of the image, count as zeros.
//
// Indices are 32 bits wide: hosts check that no matrix has 2^30 rows or columns. Only addresses are 64 bits,
// from one widening multiplication an element.

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/cuda/platform.cuh"
#include "kernels/kernels.h"

namespace signet::cuda::implicit_gemm {

/// Throws std::length_error, naming the kernel, where indices of 32 bits would not do.
inline void check_index_range(const char* kernel, std::initializer_list<int64_t> sizes) {
  for (const int64_t size : sizes) {
    if (size >= int64_t(1) << 30) {
      throw std::length_error("[" + std::string(kernel) + "] a matrix with " + std::to_string(size) +
                              " rows or columns is too large for indices of 32 bits; use a smaller batch");
    }
  }
}

/// Division by a number that the compiler does not know, as a multiplication: n / d = (n * m / 2^32 + n) /
/// 2^s with s = ceil(log2 d) and m = floor(2^32 (2^s - d) / d) + 1, exact for 0 <= n < 2^31 (Granlund and
/// Montgomery, "Division by invariant integers using multiplication", PLDI 1994).
class Divider {
 public:
  Divider() = default;
  explicit Divider(int64_t divisor) : divisor_(int(divisor)) {
    while (int64_t(1) << shift_ < divisor) ++shift_;
    multiplier_ =
        uint32_t((uint64_t(1) << 32) * ((uint64_t(1) << shift_) - uint64_t(divisor)) / uint64_t(divisor) + 1);
  }

  __device__ int divisor() const { return divisor_; }
  __device__ int quotient(int n) const {
    const auto high = uint32_t(uint64_t(uint32_t(n)) * multiplier_ >> 32);
    return int((high + uint32_t(n)) >> shift_);
  }
  __device__ int remainder(int n, int quotient) const { return n - quotient * divisor_; }

 private:
  int divisor_ = 1, shift_ = 0;
  uint32_t multiplier_ = 1;
};

/// A matrix in memory: element (r, k) at x[r * pitch + k], or x[k * pitch + r] if column-major.
template <class T, bool kColumnMajor>
struct Matrix {
  using Element = T;

  const T* x = nullptr;
  int64_t pitch = 0;
  int rows = 0, depth = 0;

  struct Row {
    int r;
  };
  struct Step {
    int k;
  };

  __device__ Row row(int r) const { return {r}; }
  __device__ Step step(int k) const { return {k}; }
  __device__ const T* at(Row row, Step step, bool& inside) const {
    inside = row.r < rows && step.k < depth;
    return kColumnMajor ? x + step.k * pitch + row.r : x + row.r * pitch + step.k;
  }
};

/// The matrix that a convolution multiplies, never built: row (n, gy, gx) of a grid of pixels, column (ty,
/// tx, c) of taps and channels is
///   x[n, gy * stride + y0 + ty * tap_y, gx * stride + x0 + tx * tap_x, c], and 0 outside of the image.
template <class T>
struct PixelGather {
  using Element = T;

  const T* x = nullptr;
  int height = 1, width = 1, channels = 1;
  int stride = 1, y0 = 0, x0 = 0, tap_y = 1, tap_x = 1;
  int pixels = 0, depth = 0;
  Divider by_grid_height = {}, by_grid_width = {}, by_channels = {}, by_taps_x = {};

  static constexpr int kOutside = -(1 << 30);  // a coordinate that no tap brings back into an image

  struct Row {
    int y, x, pixel;
  };
  struct Step {
    int y, x, pixel, channel;
  };

  __device__ Row row(int r) const {
    const int line = by_grid_width.quotient(r), image = by_grid_height.quotient(line);
    const int y = by_grid_height.remainder(line, image) * stride + y0;
    const int column = by_grid_width.remainder(r, line) * stride + x0;
    return {r < pixels ? y : kOutside, column, (image * height + y) * width + column};
  }

  __device__ Step step(int k) const {
    const int tap = by_channels.quotient(k), ty = by_taps_x.quotient(tap);
    const int y = ty * tap_y, column = by_taps_x.remainder(tap, ty) * tap_x;
    return {k < depth ? y : kOutside, column, y * width + column, by_channels.remainder(k, tap)};
  }

  __device__ const T* at(const Row& row, const Step& step, bool& inside) const {
    inside = unsigned(row.y + step.y) < unsigned(height) && unsigned(row.x + step.x) < unsigned(width);
    return x + step.channel + int64_t(row.pixel + step.pixel) * channels;
  }
};

/// What each pixel of y sees of x in a forward convolution: a row a pixel, a column a weight of a filter.
template <class T>
PixelGather<T> gather_windows(const T* x, const Conv2dShape& s) {
  const auto divider = [](int64_t divisor) { return Divider(std::max<int64_t>(divisor, 1)); };
  return {.x = x,
          .height = int(s.in_height),
          .width = int(s.in_width),
          .channels = int(s.in_channels),
          .stride = int(s.stride),
          .y0 = -int(s.padding),
          .x0 = -int(s.padding),
          .tap_y = int(s.dilation),
          .tap_x = int(s.dilation),
          .pixels = int(s.batch * s.out_height() * s.out_width()),
          .depth = int(s.kernel_height * s.kernel_width * s.in_channels),
          .by_grid_height = divider(s.out_height()),
          .by_grid_width = divider(s.out_width()),
          .by_channels = divider(s.in_channels),
          .by_taps_x = divider(s.kernel_width)};
}

/// A source with rows and steps exchanged.
template <class Source>
struct Transposed {
  Source source;

  using Element = typename Source::Element;
  using Row = typename Source::Step;
  using Step = typename Source::Row;

  __device__ Row row(int r) const { return source.step(r); }
  __device__ Step step(int k) const { return source.row(k); }
  __device__ const Element* at(const Row& row, const Step& step, bool& inside) const {
    return source.at(step, row, inside);
  }
};

}  // namespace signet::cuda::implicit_gemm
