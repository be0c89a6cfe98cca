#include "bench/spread.h"

#include <algorithm>

namespace signet::bench {

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double q) {
    const double place = q * double(values.size() - 1);
    const auto below = size_t(place);
    const size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - double(below)) * (values[above] - values[below]);
  };
  const double median = quantile(0.5);
  return {median, median > 0 ? 100 * (quantile(0.75) - quantile(0.25)) / median : 0};
}

}  // namespace signet::bench
