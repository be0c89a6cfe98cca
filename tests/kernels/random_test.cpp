// Philox against its published vectors; the random kernels against their distributions. The draws are fixed
// by their keys, so that a test which passes once passes always.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "tests/kernels/op_run.h"

using namespace signet;
using namespace signet::test;

namespace {

constexpr int64_t kCount = 200000;
constexpr PhiloxKey kKey{.seed = 42, .stream = 7};

template <class Call>
std::vector<double> draws(const Backend<float>& backend, Call call) {
  return run(OpCase{.args = {output("y", kCount)}, .call = call}, backend)[0];
}

std::vector<double> uniform(const Backend<float>& backend, PhiloxKey key = kKey) {
  return draws(backend, [=](const auto& k, Pointers p) { k.random_uniform(p[0], 0, 1, key, kCount); });
}

std::vector<double> normal(const Backend<float>& backend) {
  return draws(backend, [](const auto& k, Pointers p) { k.random_normal(p[0], 0, 1, kKey, kCount); });
}

/// The mean of x^power.
double moment(const std::vector<double>& x, int power) {
  double sum = 0;
  for (const double value : x) sum += std::pow(value, power);
  return sum / double(x.size());
}

double correlation_with_next(const std::vector<double>& x, size_t distance) {
  const double mean = moment(x, 1), variance = moment(x, 2) - mean * mean;
  double sum = 0;
  for (size_t i = 0; i + distance < x.size(); ++i) sum += (x[i] - mean) * (x[i + distance] - mean);
  return sum / double(x.size() - distance) / variance;
}

/// Kolmogorov's statistic sqrt(n) * sup |empirical - cdf|: above 1.95 once in a thousand samples.
template <class Cdf>
double kolmogorov(std::vector<double> x, Cdf cdf) {
  std::sort(x.begin(), x.end());
  const double n = double(x.size());
  double largest = 0;
  for (size_t i = 0; i < x.size(); ++i)
    largest = std::max({largest, cdf(x[i]) - double(i) / n, double(i + 1) / n - cdf(x[i])});
  return largest * std::sqrt(n);
}

/// Five standard errors of a mean of kCount values with this variance.
double five_errors(double variance) {
  return 5 * std::sqrt(variance / double(kCount));
}

}  // namespace

TEST_CASE("philox gives the known answers of the Random123 library") {
  using Words = std::array<uint32_t, 4>;
  constexpr uint64_t ones = ~uint64_t{0};
  CHECK(philox({0, 0}, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({ones, ones}, ones) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x299f31d0a4093822u, 0x0370734413198a2eu}, 0x85a308d3243f6a88u) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("philox_uniform maps the words to [0, 1)") {
  CHECK(philox_uniform(0) == 0);
  CHECK(philox_uniform(0x80000000u) == 0.5f);
  CHECK(philox_uniform(0xFFFFFFFFu) == 1 - 0x1p-24f);
}

TEST_CASE("derived streams are new streams") {
  const PhiloxKey a = philox_derive(kKey, 1), b = philox_derive(kKey, 2), c = philox_derive(kKey, 1, 1);
  CHECK(philox(a, 0) != philox(b, 0));
  CHECK(philox(a, 0) != philox(c, 0));
  CHECK(philox(a, 0) != philox(kKey, 0));
  CHECK(philox(a, 0) == philox(philox_derive(kKey, 1), 0));
}

TEST_CASE("random_uniform takes the words in order") {
  for (const Backend<float>& backend : float_backends()) {
    const std::vector<double> x = uniform(backend);
    for (size_t i = 0; i < 100; ++i) REQUIRE(x[i] == philox_uniform(philox(kKey, i / 4)[i % 4]));
  }
}

TEST_CASE("random_uniform is uniform") {
  for (const Backend<float>& backend : float_backends()) {
    CAPTURE(backend.name);
    const std::vector<double> x = uniform(backend);
    CHECK(*std::min_element(x.begin(), x.end()) >= 0);
    CHECK(*std::max_element(x.begin(), x.end()) < 1);
    CHECK(std::abs(moment(x, 1) - 1.0 / 2) < five_errors(1.0 / 12));
    CHECK(std::abs(moment(x, 2) - 1.0 / 3) < five_errors(4.0 / 45));
    CHECK(kolmogorov(x, [](double value) { return value; }) < 1.95);
    for (const size_t distance : {1, 2, 3, 4})
      CHECK(std::abs(correlation_with_next(x, distance)) < five_errors(1));
  }
}

TEST_CASE("random_uniform stays in a range of few floats") {
  // Rounding to float may reach the upper end, but not pass it.
  constexpr double high = 1 + 0x1p-22;
  for (const Backend<float>& backend : float_backends()) {
    const auto x =
        draws(backend, [](const auto& k, Pointers p) { k.random_uniform(p[0], 1, high, kKey, kCount); });
    CHECK(*std::min_element(x.begin(), x.end()) == 1);
    CHECK(*std::max_element(x.begin(), x.end()) <= high);
  }
}

TEST_CASE("random_normal is normal") {
  for (const Backend<float>& backend : float_backends()) {
    CAPTURE(backend.name);
    const std::vector<double> x = normal(backend);
    CHECK(std::abs(moment(x, 1)) < five_errors(1));
    CHECK(std::abs(moment(x, 2) - 1) < five_errors(2));
    CHECK(std::abs(moment(x, 3)) < five_errors(15));
    CHECK(std::abs(moment(x, 4) - 3) < five_errors(96));
    CHECK(kolmogorov(x, [](double value) { return std::erfc(-value / std::numbers::sqrt2) / 2; }) < 1.95);
    CHECK(std::abs(correlation_with_next(x, 1)) < five_errors(1));
    CHECK(std::abs(correlation_with_next(x, 2)) < five_errors(1));
  }
}

TEST_CASE("random_normal pairs the draws of random_uniform") {
  for (const Backend<float>& backend : float_backends()) {
    const std::vector<double> u = uniform(backend), x = normal(backend);
    for (size_t i = 0; i < 100; i += 2) {
      const double radius = std::sqrt(-2 * std::log(1 - u[i]));
      CHECK(x[i] == doctest::Approx(radius * std::cos(2 * std::numbers::pi * u[i + 1])).epsilon(1e-6));
      CHECK(x[i + 1] == doctest::Approx(radius * std::sin(2 * std::numbers::pi * u[i + 1])).epsilon(1e-6));
    }
  }
}

TEST_CASE("dropout drops where the uniform draw is below the probability, and keeps the mean") {
  for (const Backend<float>& backend : float_backends()) {
    CAPTURE(backend.name);
    const std::vector<double> u = uniform(backend);
    const OpCase op{.args = {output("y", kCount), input("x", std::vector<double>(size_t(kCount), 1)),
                             raw("key", Role::input, std::vector<PhiloxKey>{kKey})},
                    .call = [](const auto& k, Pointers p) { k.dropout(p[0], p[1], 0.25, p[2], kCount); }};
    const std::vector<double> y = run(op, backend)[0];
    for (size_t i = 0; i < y.size(); ++i) REQUIRE((y[i] != 0) == (u[i] >= 0.25));
    CHECK(std::abs(moment(y, 1) - 1) < five_errors(1.0 / 3));
  }
}

TEST_CASE("streams are unrelated") {
  const Backend<float> backend = reference_backend<float>();
  const std::vector<double> x = uniform(backend);
  for (const PhiloxKey key : {PhiloxKey{.seed = 43, .stream = 7}, PhiloxKey{.seed = 42, .stream = 8}}) {
    const std::vector<double> other = uniform(backend, key);
    double covariance = 0;
    for (size_t i = 0; i < x.size(); ++i) covariance += (x[i] - 0.5) * (other[i] - 0.5) / double(kCount);
    CHECK(std::abs(covariance) < five_errors(1.0 / 144));
  }
}
