// Random tensors: each value is a function of the key and of its place alone, so chunks need no order.

#include <cmath>
#include <numbers>

#include "kernels/cpu/chunks.h"
#include "kernels/kernels.h"

namespace signet::cpu {

namespace {
// Four draws share a counter; the grain is a multiple of four.
constexpr int64_t kGrain = 1 << 13;
}  // namespace

void random_uniform(float* y, double low, double high, PhiloxKey key, int64_t n) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t i = begin; i < end; i += 4) {
      const auto words = philox(key, uint64_t(i / 4));
      for (int64_t j = i; j < std::min(i + 4, end); ++j)
        y[j] = float(low + (high - low) * double(philox_uniform(words[size_t(j - i)])));
    }
  });
}

// Box and Muller, "A note on the generation of random normal deviates", 1958.
void random_normal(float* y, double mean, double deviation, PhiloxKey key, int64_t n) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t i = begin; i < end; i += 2) {
      const auto words = philox(key, uint64_t(i / 4));
      const size_t first = size_t(i % 4);
      const double radius = std::sqrt(-2 * std::log(1 - double(philox_uniform(words[first]))));
      const double angle = 2 * std::numbers::pi * double(philox_uniform(words[first + 1]));
      y[i] = float(mean + deviation * radius * std::cos(angle));
      if (i + 1 < end) y[i + 1] = float(mean + deviation * radius * std::sin(angle));
    }
  });
}

}  // namespace signet::cpu
