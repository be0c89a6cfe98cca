#pragma once
// The two ways between a row and many rows: sums over rows, column by column, and copies of a row. Linear
// layers need them for their bias, global average pooling for its mean.

#include <algorithm>

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/reduce.cuh"

namespace signet::cuda {

constexpr int64_t kMostGridRows = 65535;  // of gridDim.y and gridDim.z

constexpr int kSumColumns = 32, kSumRows = 8;

// x[rows, cols] in chunks of `chunk_rows` rows: finish(place in [chunks, cols], sum over the chunk's rows),
// in double. A warp reads 32 neighbouring columns of a row; 8 warps take turns over the rows. The order of a
// sum follows from chunk_rows alone.
template <class T, class Finish>
__global__ void sum_rows_kernel(const T* __restrict__ x, int64_t rows, int64_t cols, int64_t chunk_rows,
                                int64_t chunks, Finish finish) {
  const int64_t col = int64_t(blockIdx.x) * kSumColumns + threadIdx.x;
  for (int64_t chunk = blockIdx.y; chunk < chunks; chunk += gridDim.y) {
    const int64_t begin = chunk * chunk_rows, end = min(begin + chunk_rows, rows);
    double sum = 0;
    if (col < cols) {
      for (int64_t row = begin + threadIdx.y; row < end; row += kSumRows) sum += double(x[row * cols + col]);
    }
    sum = reduce_over_y<kSumColumns, kSumRows>(sum, Plus());
    if (threadIdx.y == 0 && col < cols) finish(chunk * cols + col, sum);
  }
}

/// Calls finish(chunk * cols + col, sum of x[rows, cols] over the rows of the chunk) on the device for every
/// chunk of `chunk_rows` rows (the last may have fewer) and every column.
template <class T, class Finish>
void sum_row_chunks(const T* x, int64_t rows, int64_t cols, int64_t chunk_rows, int64_t chunks,
                    const Finish& finish) {
  const dim3 grid(unsigned(ceil_div(cols, kSumColumns)), unsigned(std::min(chunks, kMostGridRows)));
  launch(sum_rows_kernel<T, Finish>, grid, dim3(kSumColumns, kSumRows), 0, current_stream(), x, rows, cols,
         chunk_rows, chunks, finish);
}

// y[group, row, col] = x[group, col] / divisor.
template <int kWidth, class act>
__global__ void spread_rows_kernel(act* y, const float* __restrict__ x, int64_t groups, int64_t rows,
                                   int64_t cols, float divisor) {
  const int64_t col = kWidth * (int64_t(blockIdx.x) * blockDim.x + threadIdx.x);
  if (col >= cols) return;
  const int64_t first = int64_t(blockIdx.y) * blockDim.y + threadIdx.y,
                step = int64_t(gridDim.y) * blockDim.y;
  for (int64_t group = blockIdx.z; group < groups; group += gridDim.z) {
    auto values = load<kWidth>(x + group * cols + col);
    for (int j = 0; j < kWidth; ++j) values.v[j] = __fdiv_rn(values.v[j], divisor);
    for (int64_t row = first; row < rows; row += step) store(y + (group * rows + row) * cols + col, values);
  }
}

/// y[groups, rows, cols] = x[groups, cols] / divisor.
template <class act>
void spread_rows(act* y, const float* x, int64_t groups, int64_t rows, int64_t cols, float divisor) {
  constexpr int kThreads = 256, kRowsAThread = 4, kWidth = kPackOf<act>;
  const bool packed = cols % kWidth == 0 && allow_packs_of<kWidth>(y, x);
  const int64_t items = packed ? cols / kWidth : cols;
  // As wide as a row where rows are short, so that no warp is left idle.
  int64_t width = 1;
  while (width < items && width < kThreads) width *= 2;
  const int64_t height = kThreads / width;
  const dim3 grid(unsigned(ceil_div(items, width)),
                  unsigned(std::min(ceil_div(rows, height * kRowsAThread), kMostGridRows)),
                  unsigned(std::min(groups, kMostGridRows)));
  launch(packed ? spread_rows_kernel<kWidth, act> : spread_rows_kernel<1, act>, grid,
         dim3(unsigned(width), unsigned(height)), 0, current_stream(), y, x, groups, rows, cols, divisor);
}

}  // namespace signet::cuda
