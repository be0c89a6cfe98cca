// Idea: blocks share a channel, as in the split weight gradient: each takes a chunk of rows and leaves its
// moments in the workspace, and a second kernel merges them in their order, so that the bits are always
// the same. Nobody waits for another block, hence y is a third kernel.
//
// Limiter: memory at last, and more of it than needed: y reads mean, deviation, weight and bias for every
// element, and residual and ReLU go over y again.
//
// Counted for 1568 rows of 64 channels with residual and ReLU (x is 12,544 sectors): 14 and 392 blocks.
// 12,544 sectors read for the statistics, 62,720 for y, 37,632 for residual and ReLU. Partial moments are
// stored 12 bytes a lane, a third of each sector at a time. 29, 32 and 16 registers.
//
// Refuses what rung 00 does.

#include <algorithm>
#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/moments.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kColumns = 32, kRows = 8;  // of threads
constexpr int kThreads = 256;
constexpr int64_t kLeastChunk = 256, kMostChunks = 512;  // rows of a chunk; chunks

/// partials[chunk, channel] = the moments of the chunk's rows.
__global__ void __launch_bounds__(kColumns* kRows)
    chunk_moments_kernel(Moments* partials, const float* x, int chunk_rows, int rows, int channels) {
  const int c = blockIdx.x * kColumns + threadIdx.x;
  const int begin = blockIdx.y * chunk_rows, end = min(begin + chunk_rows, rows);
  Moments moments = {};
  if (c < channels) {
    for (int row = begin + threadIdx.y; row < end; row += kRows) moments.add(x[row * channels + c]);
  }
  moments = reduce_over_y<kColumns, kRows>(moments, MergeMoments());
  if (threadIdx.y == 0 && c < channels) partials[blockIdx.y * channels + c] = moments;
}

/// A thread a channel merges the chunks, in their order.
__global__ void __launch_bounds__(kThreads)
    merge_chunks_kernel(float* saved_mean, float* saved_inv_std, const Moments* partials, float eps,
                        int chunks, int rows, int channels) {
  const int c = blockIdx.x * kThreads + threadIdx.x;
  if (c >= channels) return;
  Moments moments = {};
  for (int chunk = 0; chunk < chunks; ++chunk)
    moments = MergeMoments()(moments, partials[chunk * channels + c]);
  saved_mean[c] = moments.mean;
  saved_inv_std[c] = 1 / sqrtf(moments.squares / rows + eps);
}

/// A thread an element.
__global__ void __launch_bounds__(kThreads)
    normalise_elements_kernel(float* y, const float* x, const float* mean, const float* inv_std,
                              const float* weight, const float* bias, unsigned size, int channels) {
  const unsigned place = blockIdx.x * kThreads + threadIdx.x;
  if (place >= size) return;
  const int c = place % channels;
  y[place] = weight[c] * ((x[place] - mean[c]) * inv_std[c]) + bias[c];
}

void run(float* y, float* saved_mean, float* saved_inv_std, const float* x, const float* weight,
         const float* bias, const float* residual, bool relu, double eps, int64_t rows, int64_t channels) {
  const int64_t chunk_rows = std::max(kLeastChunk, int64_t(tiles(rows, kMostChunks)));
  const int64_t chunks = tiles(rows, chunk_rows), size = rows * channels;
  auto* partials = static_cast<Moments*>(workspace(chunks * channels * int64_t(sizeof(Moments))));
  launch(chunk_moments_kernel, dim3(tiles(channels, kColumns), unsigned(chunks)), dim3(kColumns, kRows), 0,
         current_stream(), partials, x, chunk_rows, rows, channels);
  launch(merge_chunks_kernel, dim3(tiles(channels, kThreads)), dim3(kThreads), 0, current_stream(),
         saved_mean, saved_inv_std, partials, eps, chunks, rows, channels);
  launch(normalise_elements_kernel, dim3(tiles(size, kThreads)), dim3(kThreads), 0, current_stream(), y, x,
         saved_mean, saved_inv_std, weight, bias, size, channels);
  add_and_clamp(y, residual, relu, size);
}

}  // namespace

BatchnormRung batchnorm_03_split_rows() {
  return {.name = "batchnorm_03_split_rows",
          .idea = "Blocks share a channel too: each leaves the moments of a chunk of rows, merged in order.",
          .run = run,
          .refusal = batchnorm_size_refusal};
}

}  // namespace signet::cuda::ladder
