// Elementwise kernels: each is limited by memory, so each value is read and written once, 16 bytes at a time.

#include <cmath>

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/philox.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/runtime.h"
#include "kernels/kernels.h"

namespace signet::cuda {
namespace {

struct Fill {
  float* y;
  float value;

  template <int kWidth>
  __device__ void at(int64_t i) const {
    Pack<float, kWidth> out;
    for (int j = 0; j < kWidth; ++j) out.v[j] = value;
    store(y + i, out);
  }
};

struct Add {
  float* y;
  const float *a, *b;

  template <int kWidth>
  __device__ void at(int64_t i) const {
    auto out = load<kWidth>(a + i);
    const auto other = load<kWidth>(b + i);
    for (int j = 0; j < kWidth; ++j) out.v[j] += other.v[j];
    store(y + i, out);
  }
};

template <class To, class From>
struct Cast {
  To* y;
  const From* x;

  template <int kWidth>
  __device__ void at(int64_t i) const {
    const auto in = load<kWidth>(x + i);
    Pack<To, kWidth> out;
    for (int j = 0; j < kWidth; ++j) out.v[j] = To(in.v[j]);
    store(y + i, out);
  }
};

struct Scale {
  float* y;
  const float* x;
  float alpha;

  template <int kWidth>
  __device__ void at(int64_t i) const {
    auto out = load<kWidth>(x + i);
    for (int j = 0; j < kWidth; ++j) out.v[j] *= alpha;
    store(y + i, out);
  }
};

struct ReluForward {
  float* y;
  const float* x;

  // Not fmaxf, which would turn NaN into 0.
  template <int kWidth>
  __device__ void at(int64_t i) const {
    auto out = load<kWidth>(x + i);
    for (int j = 0; j < kWidth; ++j) out.v[j] = out.v[j] <= 0 ? 0 : out.v[j];
    store(y + i, out);
  }
};

struct ReluBackward {
  float* dx;
  const float *dy, *y;

  template <int kWidth>
  __device__ void at(int64_t i) const {
    auto out = load<kWidth>(dy + i);
    const auto activation = load<kWidth>(y + i);
    for (int j = 0; j < kWidth; ++j) out.v[j] = activation.v[j] > 0 ? out.v[j] : 0;
    store(dx + i, out);
  }
};

struct Dropout {
  float* y;
  const float* x;
  uint32_t threshold;
  float factor;
  const PhiloxKey* key;

  template <int kWidth>
  __device__ void at(int64_t i) const {
    auto out = load<kWidth>(x + i);
    const auto draws = philox_draws<kWidth>(*key, i);
    for (int j = 0; j < kWidth; ++j) out.v[j] = draws.v[j] >> 8 >= threshold ? out.v[j] * factor : 0;
    store(y + i, out);
  }
};

constexpr int kSumThreads = 256;

// y[block] = the sum of this block's squares, in double, where the square of a float is exact. Threads take
// quads in turn whether or not they can load them at once: the order of the sum must not depend on where x
// lies.
template <bool kPacked, class Out>
__global__ void sum_of_squares_kernel(Out* y, const float* x, int64_t n) {
  const int64_t quads = ceil_div(n, 4);
  double sum = 0;
  for (int64_t quad = thread_in_grid(); quad < quads; quad += threads_in_grid()) {
    const float* from = x + 4 * quad;
    Pack<float, 4> values;
    if (kPacked && 4 * quad + 4 <= n) {
      values = load<4>(from);
    } else {
      for (int j = 0; j < 4; ++j) values.v[j] = 4 * quad + j < n ? from[j] : 0;
    }
    for (int j = 0; j < 4; ++j) sum += double(values.v[j]) * double(values.v[j]);
  }
  sum = block_sum<kSumThreads>(sum);
  if (threadIdx.x == 0) y[blockIdx.x] = Out(sum);
}

__global__ void sum_kernel(float* y, const double* x, int n) {
  double sum = 0;
  for (int i = int(threadIdx.x); i < n; i += kSumThreads) sum += x[i];
  sum = block_sum<kSumThreads>(sum);
  if (threadIdx.x == 0) *y = float(sum);
}

}  // namespace

void fill(float* y, double value, int64_t n) {
  for_each(n, allow_packs(y), Fill{y, float(value)});
}

void add(float* y, const float* a, const float* b, int64_t n) {
  for_each(n, allow_packs(y, a, b), Add{y, a, b});
}

void to_bf16(BFloat16* y, const float* x, int64_t n) {
  for_each(n, allow_packs(y, x), Cast<BFloat16, float>{y, x});
}

void from_bf16(float* y, const BFloat16* x, int64_t n) {
  for_each(n, allow_packs(y, x), Cast<float, BFloat16>{y, x});
}

void scale(float* y, const float* x, double alpha, int64_t n) {
  for_each(n, allow_packs(y, x), Scale{y, x, float(alpha)});
}

void sum_of_squares(float* y, const float* x, int64_t n) {
  constexpr int64_t kBlock = 32 * kSumThreads, kMostBlocks = 1024;
  const int64_t blocks = std::clamp<int64_t>(ceil_div(n, kBlock), 1, kMostBlocks);
  const auto run = [&](auto* sums) {
    using Out = std::remove_pointer_t<decltype(sums)>;
    const auto kernel = allow_packs(x) ? sum_of_squares_kernel<true, Out> : sum_of_squares_kernel<false, Out>;
    launch(kernel, dim3(unsigned(blocks)), dim3(kSumThreads), 0, current_stream(), sums, x, n);
  };
  if (blocks == 1) return run(y);
  auto* partials = static_cast<double*>(workspace(blocks * int64_t(sizeof(double))));
  run(partials);
  launch(sum_kernel, dim3(1), dim3(kSumThreads), 0, current_stream(), y, partials, int(blocks));
}

void relu_forward(float* y, const float* x, int64_t n) {
  for_each(n, allow_packs(y, x), ReluForward{y, x});
}

void relu_backward(float* dx, const float* dy, const float* y, int64_t n) {
  for_each(n, allow_packs(dx, dy, y), ReluBackward{dx, dy, y});
}

void dropout(float* y, const float* x, double probability, const PhiloxKey* key, int64_t n) {
  // philox_uniform is a whole number of 2^-24, so comparing the numerators decides exactly the same.
  const auto threshold = uint32_t(std::ceil(probability * 0x1p24));
  for_each(n, allow_packs(y, x), Dropout{y, x, threshold, float(1 / (1 - probability)), key});
}

}  // namespace signet::cuda
