#pragma once
// How the batchnorm kernels divide x[rows, channels] among threads.
//
// A block is width x height threads. threadIdx.x numbers columns of kWidth channels, neighbours in memory, 16
// bytes of them or one; threads with the same threadIdx.x take turns over the rows. Sums over rows go through
// chunks of rows, a block each, whose partial results a second kernel merges in the order of the chunks.
// Width, height and chunks depend on rows, channels and their type alone, and so does the order of every sum;
// kWidth, which depends on where the arrays lie, decides only how many channels a thread carries side by
// side.
//
// Eight channels of bfloat16 take more registers than four floats, 112 in normalise_kernel on sm_80, and
// leave room for two blocks instead of three. Their loads, 64 KB at a time, still hide memory's latency: 3.35
// TB/s for 0.6 us are 15 KB on each of 132 multiprocessors.

#include <algorithm>

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/reduce.cuh"

namespace signet::cuda::batchnorm {

constexpr int kThreads = 256;
constexpr int kGroup = 4;  // rows that a thread loads before it computes, so that their loads overlap

/// Rows divided among the blocks of a column.
struct Chunks {
  int64_t rows, count;  ///< rows of a chunk; the last one may have fewer
};

/// How many columns threads see in a row of this many channels.
template <class act>
int64_t columns_of(int64_t channels) {
  return channels % kPackOf<act> == 0 ? channels / kPackOf<act> : channels;
}

/// The block for this many channels: as wide as a row where rows are short, so that no warp is left idle.
template <class act>
dim3 block_shape(int64_t channels) {
  const int64_t columns = columns_of<act>(channels);
  unsigned width = 1;
  while (width < columns && width < unsigned(kWarpSize)) width *= 2;
  return {width, kThreads / width, 1};
}

/// Enough chunks to fill a large device several times, and no more: each is a partial result to be merged.
template <class act>
Chunks chunks_of(int64_t rows, int64_t channels) {
  constexpr int64_t kWantedBlocks = 1024, kMostChunks = 512, kLeastRowsAThread = 8;
  const dim3 block = block_shape<act>(channels);
  const int64_t blocks = ceil_div(columns_of<act>(channels), block.x);
  const int64_t wanted = std::clamp<int64_t>(kWantedBlocks / blocks, 1, kMostChunks);
  const int64_t step = kGroup * int64_t(block.y);
  const int64_t least = std::max(ceil_div(rows, wanted), kLeastRowsAThread * int64_t(block.y));
  const int64_t chunk_rows = ceil_div(least, step) * step;
  return {chunk_rows, ceil_div(rows, chunk_rows)};
}

/// The grid for a kernel of kWidth channels a thread: blocks for all channels times row_blocks.
template <class act, int kWidth>
dim3 grid_shape(int64_t channels, int64_t row_blocks) {
  const int64_t width = block_shape<act>(channels).x;
  return {unsigned(ceil_div(channels, width * kWidth)), unsigned(row_blocks), 1};
}

/// Blocks along the rows for a pass without sums: each thread has a few groups of rows.
template <class act>
int64_t apply_row_blocks(int64_t rows, int64_t channels) {
  constexpr int64_t kRowsAThread = 2 * kGroup, kMostBlocks = 16384;
  return std::min(ceil_div(rows, kRowsAThread * int64_t(block_shape<act>(channels).y)), kMostBlocks);
}

/// The first of this thread's channels; it may lie beyond the last.
template <int kWidth>
__device__ __forceinline__ int64_t first_channel() {
  return kWidth * (int64_t(blockIdx.x) * blockDim.x + threadIdx.x);
}

/// The values of the block's threads with the same threadIdx.x combined as a balanced tree over threadIdx.y,
/// for the thread with threadIdx.y = 0; what the others get means nothing. T is made of floats. All threads
/// call it, once in a kernel: a second call would need a barrier before it.
template <class T, class Op>
__device__ T reduce_over_height(T value, Op op) {
  constexpr int kFloats = sizeof(T) / sizeof(float);
  static_assert(sizeof(T) == kFloats * sizeof(float));
  // Apart, so that the lanes of a warp ask for neighbouring words, whatever the size of T: no bank conflicts.
  __shared__ float values[kFloats][kThreads];
  float mine[kFloats];
  const int thread = int(threadIdx.y * blockDim.x + threadIdx.x);
  const auto put = [&] {
    memcpy(mine, &value, sizeof(T));
#pragma unroll
    for (int i = 0; i < kFloats; ++i) values[i][thread] = mine[i];
  };
  put();
  for (int half = int(blockDim.y) / 2; half > 0; half /= 2) {
    __syncthreads();
    if (int(threadIdx.y) < half) {
#pragma unroll
      for (int i = 0; i < kFloats; ++i) mine[i] = values[i][thread + half * int(blockDim.x)];
      T other;
      memcpy(&other, mine, sizeof(T));
      value = op(value, other);
      put();
    }
  }
  return value;
}

constexpr int kMergeColumns = 32, kMergeRows = 32;  // of the blocks that merge partial results

/// The grid of those: a thread column a channel.
inline dim3 merge_grid(int64_t channels) {
  return {unsigned(ceil_div(channels, kMergeColumns)), 1, 1};
}

/// The sum of value(chunk) over the chunks, for the threads with threadIdx.y = 0 of a kMergeColumns x
/// kMergeRows block; without calling `value` unless `inside`. All threads call it.
template <class Value>
__device__ double sum_chunks(int64_t chunks, bool inside, const Value& value) {
  double sum = 0;
  if (inside) {
    for (int64_t chunk = threadIdx.y; chunk < chunks; chunk += kMergeRows) sum += value(chunk);
  }
  return reduce_over_y<kMergeColumns, kMergeRows>(sum, Plus());
}

/// weight / sqrt(variance + eps). Each thread computes it for its own channels: little work beside its rows.
template <int kWidth>
__device__ __forceinline__ Pack<float, kWidth> running_scale(const float* weight, const float* variance,
                                                             float eps) {
  auto scale = load<kWidth>(weight);
  const auto var = load<kWidth>(variance);
#pragma unroll
  for (int j = 0; j < kWidth; ++j) scale.v[j] /= sqrtf(var.v[j] + eps);
  return scale;
}

}  // namespace signet::cuda::batchnorm
