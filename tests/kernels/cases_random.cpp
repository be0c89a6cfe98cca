#include <fmt/format.h>

#include "tests/kernels/suite.h"

namespace signet::test {
namespace {

constexpr PhiloxKey kKey{.seed = 0x123456789ABCDEF0u, .stream = 0xFEDCBA9876543210u};

OpCase uniform_case(int64_t n, double low, double high) {
  return {.kernel = "random_uniform",
          .options = fmt::format("n={} low={} high={}", n, low, high),
          .args = {output("y", n)},
          .call = [=](const auto& k, Pointers p) { k.random_uniform(p[0], low, high, kKey, n); },
          .exact = true};
}

OpCase normal_case(int64_t n, double mean, double deviation) {
  return {.kernel = "random_normal",
          .options = fmt::format("n={} mean={} deviation={}", n, mean, deviation),
          .args = {output("y", n)},
          .call = [=](const auto& k, Pointers p) { k.random_normal(p[0], mean, deviation, kKey, n); }};
}

}  // namespace

void add_random(Suite& suite, Scale scale) {
  if (scale == Scale::bench) {
    suite.cases.push_back(uniform_case(1 << 20, -1, 1));
    suite.cases.push_back(normal_case(1 << 20, 0, 1));
    return;
  }
  for (const int64_t n : {0, 1, 2, 3, 4, 5, 15, 64, 1001, 70003}) {
    suite.cases.push_back(uniform_case(n, 0, 1));
    suite.cases.push_back(uniform_case(n, -0.3, 0.7));
    suite.cases.push_back(normal_case(n, 0, 1));
    suite.cases.push_back(normal_case(n, -2, 0.05));
  }
}

}  // namespace signet::test
