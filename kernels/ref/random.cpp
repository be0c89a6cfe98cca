// Random tensors. Each value is a function of (key, its place), so any thread or device can make any part.

#include <cmath>
#include <numbers>

#include "kernels/ref/scalar.h"

namespace signet::ref {
namespace {

/// Draw i of the stream, in [0, 1).
double draw(PhiloxKey key, int64_t i) {
  return philox_uniform(philox(key, uint64_t(i) / 4)[i % 4]);
}

}  // namespace

template <class real>
void random_uniform(real* y, double low, double high, PhiloxKey key, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = real(low + (high - low) * draw(key, i));
}

// Box and Muller, "A note on the generation of random normal deviates", Annals of Mathematical Statistics 29,
// 1958: a point whose distance from the origin is sqrt(-2 log u) in a direction uniform on the circle has two
// independent normal coordinates. 1 - draw lies in (0, 1], where the logarithm is finite.
template <class real>
void random_normal(real* y, double mean, double deviation, PhiloxKey key, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const int64_t first = i - i % 2;
    const double radius = std::sqrt(-2 * std::log(1 - draw(key, first)));
    const double angle = 2 * std::numbers::pi * draw(key, first + 1);
    y[i] = real(mean + deviation * radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle)));
  }
}

SIGNET_INSTANTIATE(random_uniform);
SIGNET_INSTANTIATE(random_normal);

}  // namespace signet::ref
