// A row copied into every row of a matrix, and the gradient of that: the sum of the rows.

#include "kernels/cuda/rows.cuh"

#include "kernels/cuda/runtime.h"
#include "kernels/instantiate.h"

namespace signet::cuda {
namespace {

struct KeepPartial {
  double* partials;
  __device__ void operator()(int64_t place, double sum) const { partials[place] = sum; }
};

struct Store {
  float* y;
  bool accumulate;
  __device__ void operator()(int64_t place, double sum) const {
    y[place] = float(accumulate ? double(y[place]) + sum : sum);
  }
};

}  // namespace

void broadcast_rows(float* y, const float* x, int64_t rows, int64_t cols) {
  spread_rows(y, x, 1, rows, cols, 1);
}

template <class act>
void sum_rows(float* y, const act* x, int64_t rows, int64_t cols, Accumulate accumulate) {
  // Chunks of rows side by side, then one sum over the chunks. How many depends on the rows alone.
  constexpr int64_t kChunkRows = 256, kMostChunks = 1024;
  const int64_t chunk_rows = std::max(kChunkRows, ceil_div(rows, kMostChunks));
  const int64_t chunks = std::max<int64_t>(1, ceil_div(rows, chunk_rows));
  const Store finish{y, accumulate == Accumulate::yes};
  if (chunks == 1) return sum_row_chunks(x, rows, cols, chunk_rows, 1, finish);
  auto* partials = static_cast<double*>(workspace(chunks * cols * int64_t(sizeof(double))));
  sum_row_chunks(x, rows, cols, chunk_rows, chunks, KeepPartial{partials});
  sum_row_chunks(static_cast<const double*>(partials), chunks, cols, chunks, 1, finish);
}
SIGNET_INSTANTIATE_ACTIVATIONS(sum_rows);

}  // namespace signet::cuda
