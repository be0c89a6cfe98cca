// Random tensors: each value is a function of the key and of its place alone, so threads need no order. The
// arithmetic is the reference's, in double.

#include <numbers>

#include "kernels/cuda/philox.cuh"
#include "kernels/kernels.h"

namespace signet::cuda {
namespace {

struct Uniform {
  float* y;
  double low, range;
  PhiloxKey key;

  // No fused multiply-add: the bits are to be those of every other device.
  template <int kWidth>
  __device__ void at(int64_t i) const {
    const auto draws = philox_draws<kWidth>(key, i);
    Pack<float, kWidth> out;
    for (int j = 0; j < kWidth; ++j)
      out.v[j] = float(__dadd_rn(low, __dmul_rn(range, double(philox_uniform(draws.v[j])))));
    store(y + i, out);
  }
};

// Box and Muller, "A note on the generation of random normal deviates", 1958.
struct Normal {
  float* y;
  double mean, deviation;
  PhiloxKey key;

  struct Polar {
    double radius, angle;
  };

  __device__ static Polar polar(uint32_t first, uint32_t second) {
    return {sqrt(-2 * log(1 - double(philox_uniform(first)))),
            2 * std::numbers::pi * double(philox_uniform(second))};
  }

  template <int kWidth>
  __device__ void at(int64_t i) const {
    Pack<float, kWidth> out;
    if constexpr (kWidth == 4) {
      const auto draws = philox_draws<4>(key, i);
      for (int j = 0; j < 4; j += 2) {
        const Polar p = polar(draws.v[j], draws.v[j + 1]);
        out.v[j] = float(mean + deviation * p.radius * cos(p.angle));
        out.v[j + 1] = float(mean + deviation * p.radius * sin(p.angle));
      }
    } else {
      const int64_t even = i - i % 2;
      const Polar p = polar(philox_draws<1>(key, even).v[0], philox_draws<1>(key, even + 1).v[0]);
      out.v[0] = float(mean + deviation * p.radius * (i == even ? cos(p.angle) : sin(p.angle)));
    }
    store(y + i, out);
  }
};

}  // namespace

void random_uniform(float* y, double low, double high, PhiloxKey key, int64_t n) {
  for_each(n, allow_packs(y), Uniform{y, low, high - low, key});
}

void random_normal(float* y, double mean, double deviation, PhiloxKey key, int64_t n) {
  for_each(n, allow_packs(y), Normal{y, mean, deviation, key});
}

}  // namespace signet::cuda
