#pragma once
// What is derived from an op case alone. Each check returns an empty string or what is wrong.

#include "tests/kernels/op_run.h"

namespace signet::test {

/// What a kernel in float must give: the results of ref::<double>, with a tolerance for each argument, and
/// those of ref::<float>, for the cases that are exact.
struct Expected {
  std::vector<std::vector<double>> values, float_values;
  std::vector<std::vector<std::byte>> raw;
  std::vector<double> tolerance;
};

/// The tolerance of an output is (4 + 2 sqrt(terms)) * (u * max |output| + movement), with u = 2^-24 float's
/// unit roundoff and movement the most that the output moves when every input moves by one rounding, up or
/// down at random: what a backward stable kernel may be off by. The square root is how the roundings of a sum
/// grow, in whatever order it is taken, when they are independent (Higham and Mary, "A new approach to
/// probabilistic rounding error analysis", SIAM Journal on Scientific Computing 41, 2019).
Expected expect(const OpCase& op);

/// Values, guards, inputs and poison of one call.
std::string parity_failure(const OpCase& op, const Expected& expected, const Backend<float>& backend,
                           Placement placement, std::optional<std::pair<int, int>> alias = std::nullopt);

/// Every output as bytes, after one call.
std::vector<std::vector<std::byte>> output_bytes(const OpCase& op, const Backend<float>& backend);

/// The backward kernel of ref::<double> against derivatives of the forward kernel, taken by complex step in
/// random directions.
std::string gradient_failure(const Gradient& gradient);

}  // namespace signet::test
