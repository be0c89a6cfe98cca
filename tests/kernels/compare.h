#pragma once
// Comparators. Each returns an empty string, or what is wrong and where. They ask for !(error <= tolerance),
// not for error > tolerance, because the latter is false for NaN.

#include <cstddef>
#include <span>
#include <string>

namespace signet::test {

/// |actual - expected| <= tolerance at every place. NaN on either side, or two lengths, never pass.
std::string difference(std::span<const double> actual, std::span<const double> expected, double tolerance);

/// The same bytes.
std::string difference(std::span<const std::byte> actual, std::span<const std::byte> expected);

/// The largest absolute value; NaN if one is NaN.
double max_abs(std::span<const double> values);

}  // namespace signet::test
