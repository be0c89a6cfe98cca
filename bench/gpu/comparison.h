#pragma once
// Every contender of every problem as a row of Google Benchmark: checked against the other side, then timed.

#include <iosfwd>
#include <string>
#include <vector>

#include "bench/gpu/problem.h"
#include "bench/gpu/step.h"

namespace signet::bench {

struct ComparisonOptions {
  std::vector<Problem> problems = {};
  std::vector<StepProblem> steps = {};
  /// Rows beside Signet's and the vendor's, e.g. a kernel that is known to be wrong.
  std::vector<std::pair<Operation, Contender>> more = {};
  int warm_up = 3, samples = 30;
  bool timed = true;  ///< false on a simulated device: each row runs once, and no time is reported
};

struct ComparisonSummary {
  int rows = 0, failed = 0, refused = 0;
};

/// Registers the rows with Google Benchmark (initialised before), runs those that its filter selects, and
/// prints one line a row. A row's name is "operation / problem / batch N / side / contender / math".
ComparisonSummary run_comparison(const ComparisonOptions& options, std::ostream& out);

}  // namespace signet::bench
