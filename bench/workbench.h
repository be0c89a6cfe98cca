#pragma once
// The buffers of one problem, filled and checked.

#include <memory>
#include <string>
#include <vector>

#include "bench/platform.h"

namespace signet::bench {

/// What two results of one problem may differ by.
struct Tolerance {
  double norm = 0;  ///< |a - b| over |b|, in the 2-norm
  double most = 0;  ///< the largest |a[i] - b[i]| over the root mean square of b
};

/// Rounding errors are taken as independent: operands rounded to u (2^-24, TF32 2^-11, bf16 2^-8) give
/// products off by about u, and a sum of n products of random sign, itself of size sqrt(n), is off by about u
/// of that; n roundings of a running float sum add 2^-24 sqrt(n). Winograd's and FFT's transforms, which
/// either side may use for f32, lose up to a factor of 32 more. A wrong element differs by about the root
/// mean square itself.
Tolerance tolerance_of(const Problem& problem, MatrixMath math);

/// Empty if `actual` agrees with `expected`, else what differs. NaN never agrees.
std::string disagreement(const std::vector<float>& actual, const std::vector<float>& expected,
                         const Tolerance& tolerance);

/// All results of a problem, output by output, on the host.
using Results = std::vector<std::vector<float>>;

/// Memory for a problem, its inputs random and the same for everybody.
class Workbench {
 public:
  Workbench(const Platform& platform, const Problem& problem);
  const Problem& problem() const { return problem_; }
  const Buffers& buffers() const { return buffers_; }

  /// Poisons the outputs with NaN, runs, and fetches what was computed.
  Results run(const Prepared& contender);

 private:
  std::shared_ptr<float> allocate(int64_t floats) const;

  const Platform& platform_;
  Problem problem_;
  std::vector<std::shared_ptr<float>> memory_;
  Buffers buffers_;
};

}  // namespace signet::bench
