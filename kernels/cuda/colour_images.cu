#include "kernels/cuda/colour_images.cuh"

namespace signet::cuda {
namespace {

constexpr int kThreads = 256;

// Through shared memory, so that reads are coalesced; three floats a lane lie in different banks.
__global__ void pad_colours_kernel(float* y, const float* __restrict__ x, int64_t pixels) {
  __shared__ float staged[3 * kThreads];
  const int64_t first = int64_t(blockIdx.x) * kThreads;
  const int count = int(min(pixels - first, int64_t{kThreads})), thread = int(threadIdx.x);
  for (int i = thread; i < 3 * count; i += kThreads) staged[i] = x[3 * first + i];
  __syncthreads();
  if (thread >= count) return;
  const float* colours = staged + 3 * thread;
  store(y + 4 * (first + thread), Pack<float, 4>{{colours[0], colours[1], colours[2], 0}});
}

}  // namespace

void pad_colours(float* y, const float* x, int64_t pixels) {
  launch(pad_colours_kernel, dim3(unsigned(ceil_div(pixels, kThreads))), dim3(kThreads), 0, current_stream(),
         y, x, pixels);
}

}  // namespace signet::cuda
