#pragma once
// Every contender of every problem as a row of Google Benchmark: checked against the other side, then timed.

#include <iosfwd>
#include <string>
#include <vector>

#include "bench/platform.h"

namespace signet::bench {

/// A row that is no single problem, as a whole training step.
struct SpecialRow {
  std::string label;  ///< the row's name up to the side
  std::string contender;
  bool vendor = false;
  MatrixMath math = MatrixMath::f32;
  double flops = 0;
  struct Ready {
    std::function<void()> run;
    std::string notes;
    std::string fault;  ///< what the check found; empty if nothing
  };
  std::function<Ready()> prepare_and_check;
};

struct ComparisonOptions {
  std::vector<Problem> problems = {};
  /// Rows beside Signet's and the vendor's, e.g. a kernel that is known to be wrong.
  std::vector<std::pair<Operation, Contender>> more = {};
  /// Rows of another kind, checked by whoever makes them.
  std::vector<SpecialRow> special = {};
  int warm_up = 3, samples = 30;
  bool timed = true;  ///< false on a simulated device: rows are checked, and no time is reported
};

struct ComparisonSummary {
  int rows = 0, failed = 0, refused = 0;
};

/// Registers the rows with Google Benchmark (initialised before), runs those that its filter selects, and
/// prints one line a row. A row's name is "operation / problem / batch N / side / contender / math".
ComparisonSummary run_comparison(const Platform& platform, const ComparisonOptions& options,
                                 std::ostream& out);

}  // namespace signet::bench
