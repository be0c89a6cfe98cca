#pragma once

#include <vector>

namespace signet::bench {

struct Spread {
  double median = 0;
  double noise_percent = 0;  ///< the distance of the quartiles over the median
};
/// Of at least one value.
Spread spread_of(std::vector<double> values);

}  // namespace signet::bench
