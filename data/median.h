#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace signet::data {

/// The middle one of at least one number; of an even count the larger of the two in the middle.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace signet::data
