#pragma once
// The flags that the comparisons share, and how they end.

#include <cstdint>
#include <iosfwd>
#include <string_view>
#include <vector>

#include "bench/comparison.h"

namespace signet::bench {

struct CommandLine {
  std::vector<int64_t> batches;
  int samples = 30, threads = 1;
  bool tiny = false;

  /// Takes --batches=1,32, --samples=N, --threads=N or --tiny; false for anything else.
  bool parse(std::string_view flag);
};

/// Prints how many rows there were; the program's exit status: 1 if a row failed, or if there was none.
int report_summary(const ComparisonSummary& summary, std::ostream& out);

}  // namespace signet::bench
