// Elementwise kernels: each is limited by memory, so each value is read and written once, 16 bytes at a time.
// Casts take four numbers at once, so that on either side a warp's request is of whole sectors in a row.

#include <cmath>

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/philox.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/runtime.h"
#include "kernels/instantiate.h"

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

template <class act>
struct Add {
  act* y;
  const act *a, *b;

  template <int kWidth>
  __device__ void at(int64_t i) const {
    auto out = load_floats<kWidth>(a + i);
    const auto other = load_floats<kWidth>(b + i);
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
    store(y + i, load_floats<kWidth>(x + i));
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

template <class act>
struct ReluForward {
  act* y;
  const act* x;

  // Not fmaxf, which would turn NaN into 0.
  template <int kWidth>
  __device__ void at(int64_t i) const {
    auto out = load_floats<kWidth>(x + i);
    for (int j = 0; j < kWidth; ++j) out.v[j] = out.v[j] <= 0 ? 0 : out.v[j];
    store(y + i, out);
  }
};

template <class act>
struct ReluBackward {
  act* dx;
  const act *dy, *y;

  template <int kWidth>
  __device__ void at(int64_t i) const {
    auto out = load_floats<kWidth>(dy + i);
    const auto activation = load_floats<kWidth>(y + i);
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

template <class act>
void add(act* y, const act* a, const act* b, int64_t n) {
  constexpr int kWidth = kPackOf<act>;
  for_each<kWidth>(n, allow_packs_of<kWidth>(y, a, b), Add<act>{y, a, b});
}
SIGNET_INSTANTIATE_ACTIVATIONS(add);

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

template <class act>
void relu_forward(act* y, const act* x, int64_t n) {
  constexpr int kWidth = kPackOf<act>;
  for_each<kWidth>(n, allow_packs_of<kWidth>(y, x), ReluForward<act>{y, x});
}
SIGNET_INSTANTIATE_ACTIVATIONS(relu_forward);

template <class act>
void relu_backward(act* dx, const act* dy, const act* y, int64_t n) {
  constexpr int kWidth = kPackOf<act>;
  for_each<kWidth>(n, allow_packs_of<kWidth>(dx, dy, y), ReluBackward<act>{dx, dy, y});
}
SIGNET_INSTANTIATE_ACTIVATIONS(relu_backward);

void dropout(float* y, const float* x, double probability, const PhiloxKey* key, int64_t n) {
  // philox_uniform is a whole number of 2^-24, so comparing the numerators decides exactly the same.
  const auto threshold = uint32_t(std::ceil(probability * 0x1p24));
  for_each(n, allow_packs(y, x), Dropout{y, x, threshold, float(1 / (1 - probability)), key});
}

}  // namespace signet::cuda
