#include "tests/kernels/compare.h"

#include <fmt/format.h>

#include <cmath>

namespace signet::test {

std::string difference(std::span<const double> actual, std::span<const double> expected, double tolerance) {
  if (actual.size() != expected.size())
    return fmt::format("{} values instead of {}", actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    // Equal infinities have no difference.
    const double error = actual[i] == expected[i] ? 0 : std::abs(actual[i] - expected[i]);
    if (!(error <= tolerance))
      return fmt::format("value {} of {} is {:.9g} instead of {:.9g} (tolerance {:.3g})", i, actual.size(),
                         actual[i], expected[i], tolerance);
  }
  return {};
}

std::string difference(std::span<const std::byte> actual, std::span<const std::byte> expected) {
  if (actual.size() != expected.size())
    return fmt::format("{} bytes instead of {}", actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    if (actual[i] != expected[i]) return fmt::format("byte {} of {} differs", i, actual.size());
  return {};
}

double max_abs(std::span<const double> values) {
  double largest = 0;
  for (const double value : values) {
    if (!(std::abs(value) <= largest)) largest = std::abs(value);
    if (std::isnan(value)) break;
  }
  return largest;
}

}  // namespace signet::test
