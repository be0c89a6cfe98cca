#include "tests/kernels/op_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tests/kernels/compare.h"

namespace signet::test {
namespace {

constexpr double kRoundoff = 0x1p-24;

OpCase moved_by_a_rounding(const OpCase& op, Data& data) {
  OpCase moved = op;
  for (Arg& arg : moved.args)
    if (arg.role != Role::output)
      for (double& value : arg.values) value *= 1 + (data.bits() >> 63 ? kRoundoff : -kRoundoff);
  return moved;
}

/// sum(cotangent * output) of the forward kernel, differentiated along `direction` from argument `arg`.
double directional_derivative(const Gradient& gradient, int arg, const std::vector<double>& direction) {
  constexpr double h = 1e-40;  // h^2 is far below any rounding, and h * direction far above underflow
  const Backend<std::complex<double>> backend = reference_backend<std::complex<double>>();
  Prepared<std::complex<double>> forward(gradient.forward, backend, Placement::exact);
  std::vector<double> step = direction;
  for (double& value : step) value *= h;
  forward.write(arg, gradient.forward.args[size_t(arg)].values, step);
  forward.call();
  const std::vector<double> moved = forward.imaginary_parts(gradient.output);
  const std::vector<double>& cotangent = gradient.backward.args[size_t(gradient.cotangent)].values;
  double derivative = 0;
  for (size_t i = 0; i < moved.size(); ++i) derivative += cotangent[i] * moved[i] / h;
  return derivative;
}

template <class real>
std::vector<std::vector<std::byte>> written_bytes(const OpCase& op, const Prepared<real>& called) {
  std::vector<std::vector<std::byte>> bytes(op.args.size());
  for (size_t i = 0; i < op.args.size(); ++i)
    if (op.args[i].is_written()) bytes[i] = called.bytes(int(i));
  return bytes;
}

template <class real>
Expected expect_in(const OpCase& op) {
  const Backend<real> reference = reference_backend<real>();
  Prepared<real> rounded(op, reference, Placement::exact);
  rounded.call();
  Expected expected{.values = run(op, reference_backend<double>()),
                    .rounded_values = written_values(op, rounded),
                    .raw = written_bytes(op, rounded),
                    .tolerance = std::vector<double>(op.args.size()),
                    .input_rounding = std::vector<double>(op.args.size())};
  std::vector<double> movement(op.args.size());
  Data data(op.label());
  for (int trial = 0; trial < 3; ++trial) {
    const auto moved = run(moved_by_a_rounding(op, data), reference_backend<double>());
    for (size_t i = 0; i < moved.size(); ++i)
      for (size_t j = 0; j < moved[i].size(); ++j)
        movement[i] = std::max(movement[i], std::abs(moved[i][j] - expected.values[i][j]));
  }
  for (size_t i = 0; i < movement.size(); ++i) {
    expected.input_rounding[i] = kRoundoff * max_abs(expected.values[i]) + movement[i];
    expected.tolerance[i] = (4 + 2 * std::sqrt(op.terms)) * expected.input_rounding[i];
  }
  return expected;
}

}  // namespace

bool is_product(const OpCase& op) {
  return op.kernel == "gemm" || op.kernel.starts_with("conv2d");
}

Expected expect(const OpCase& op) {
  return expect_in<float>(op);
}
Expected expect_bf16(const OpCase& op) {
  return expect_in<BFloat16>(op);
}

double tolerance_of(const OpCase& op, const Expected& expected, size_t arg, const Backend<float>& backend) {
  const double rounded =
      is_product(op) ? 2 * backend.operand_roundoff / kRoundoff * expected.input_rounding[arg] : 0;
  return expected.tolerance[arg] + rounded;
}

double tolerance_of(const OpCase& op, const Expected& expected, size_t arg,
                    const Backend<BFloat16>& /*backend*/) {
  constexpr double kBf16Roundoff = 0x1p-8;
  double tolerance = expected.tolerance[arg];
  if (is_activation(op, op.args[arg])) tolerance += kBf16Roundoff * max_abs(expected.values[arg]);
  if (is_product(op)) {
    const bool by_tiles = op.options.find(" of 3x3 stride=1 ") != std::string::npos;
    tolerance += (by_tiles ? 5 : 2) * kBf16Roundoff / kRoundoff * expected.input_rounding[arg];
  }
  return tolerance;
}

template <class real>
std::string parity_failure(const OpCase& op, const Expected& expected, const Backend<real>& backend,
                           Placement placement, std::optional<std::pair<int, int>> alias) {
  Prepared<real> prepared(op, backend, placement, alias);
  prepared.call();
  std::string failure = prepared.damage();
  for (size_t i = 0; i < op.args.size() && failure.empty(); ++i) {
    const Arg& arg = op.args[i];
    if (!arg.is_written()) continue;
    if (arg.is_raw) {
      failure = difference(prepared.bytes(int(i)), expected.raw[i]);
    } else {
      failure =
          difference(prepared.values(int(i)), expected.values[i], tolerance_of(op, expected, i, backend));
      if (op.exact && failure.empty())
        failure = difference(prepared.values(int(i)), expected.rounded_values[i], 0);
    }
    if (!failure.empty()) failure = fmt::format("{}: {}: {}", op.label(), arg.name, failure);
  }
  return failure.empty() ? failure : fmt::format("[{}] {}", backend.name, failure);
}

template <class real>
std::vector<std::vector<std::byte>> output_bytes(const OpCase& op, const Backend<real>& backend) {
  Prepared<real> prepared(op, backend, Placement::exact);
  prepared.call();
  return written_bytes(op, prepared);
}

template std::string parity_failure(const OpCase&, const Expected&, const Backend<float>&, Placement,
                                    std::optional<std::pair<int, int>>);
template std::string parity_failure(const OpCase&, const Expected&, const Backend<BFloat16>&, Placement,
                                    std::optional<std::pair<int, int>>);
template std::vector<std::vector<std::byte>> output_bytes(const OpCase&, const Backend<float>&);
template std::vector<std::vector<std::byte>> output_bytes(const OpCase&, const Backend<BFloat16>&);

std::string gradient_failure(const Gradient& gradient) {
  const OpCase op = linked_backward(gradient, false);
  const auto computed = run(op, reference_backend<double>());
  Data data(op.label());
  for (const auto& [from, to] : gradient.gradients) {
    const Arg& arg = op.args[size_t(to)];
    if (arg.role == Role::absent || gradient.forward.args[size_t(from)].role == Role::absent) continue;
    std::vector<double> given = computed[size_t(to)];
    for (size_t i = 0; i < given.size() && arg.role == Role::in_out; ++i) given[i] -= arg.values[i];
    for (int trial = 0; trial < 4; ++trial) {
      const std::vector<double> direction = data.uniform(int64_t(given.size()));
      double along = 0, size = 1;
      for (size_t i = 0; i < given.size(); ++i) {
        along += given[i] * direction[i];
        size += std::abs(given[i] * direction[i]);
      }
      const double expected = directional_derivative(gradient, from, direction);
      const double tolerance = 1e-12 * size;
      const std::string failure = difference(std::span(&along, 1), std::span(&expected, 1), tolerance);
      if (!failure.empty()) return fmt::format("{}: {} along a direction: {}", op.label(), arg.name, failure);
    }
  }
  return {};
}

}  // namespace signet::test
