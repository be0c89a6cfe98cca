#include "bench/workbench.h"

#include <fmt/format.h>

#include <cmath>

namespace signet::bench {
namespace {

double unit_roundoff(MatrixMath math) {
  return math == MatrixMath::f32 ? std::ldexp(1, -24) : std::ldexp(1, math == MatrixMath::tf32 ? -11 : -8);
}

}  // namespace

Tolerance tolerance_of(const Problem& problem, MatrixMath math) {
  constexpr double kSafety = 4, kTransforms = 32;
  const double summing = std::ldexp(1, -24) * std::sqrt(problem.terms()) * kTransforms;
  const double norm = kSafety * (unit_roundoff(math) + summing);
  return {.norm = norm, .most = 8 * norm};  // of a billion normal errors the largest is about 6 deviations
}

std::string disagreement(const std::vector<float>& actual, const std::vector<float>& expected,
                         const Tolerance& tolerance) {
  if (actual.size() != expected.size())
    return fmt::format("{} values instead of {}", actual.size(), expected.size());
  if (actual.empty()) return {};
  double squares = 0, error_squares = 0, most = 0;
  size_t place = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(double(actual[i]) - double(expected[i]));
    squares += double(expected[i]) * double(expected[i]);
    error_squares += error * error;
    if (!(error <= most)) most = error, place = i;
    if (std::isnan(most)) break;
  }
  const double rms = std::sqrt(squares / double(actual.size()));
  const double norm = std::sqrt(error_squares / squares);
  if (most <= tolerance.most * rms && (norm <= tolerance.norm || error_squares == 0)) return {};
  return fmt::format(
      "value {} of {} is {:.6g} instead of {:.6g}; the largest error is {:.2g} of the root mean square (at "
      "most "
      "{:.2g}), the norm's {:.2g} (at most {:.2g})",
      place, actual.size(), actual[place], expected[place], most / rms, tolerance.most, norm, tolerance.norm);
}

std::shared_ptr<float> Workbench::allocate(int64_t floats) const {
  return {platform_.allocate(floats), [&platform = platform_](float* memory) { platform.release(memory); }};
}

Workbench::Workbench(const Platform& platform, const Problem& problem)
    : platform_(platform), problem_(problem) {
  const auto allocate_all = [&](const std::vector<int64_t>& sizes, std::vector<float*>& pointers) {
    for (const int64_t size : sizes) {
      if (size > 0) memory_.push_back(allocate(size));
      pointers.push_back(size > 0 ? memory_.back().get() : nullptr);
    }
  };
  const BufferSizes sizes = buffer_sizes(problem);
  allocate_all(sizes.in, buffers_.in);
  allocate_all(sizes.out, buffers_.out);
  for (size_t i = 0; i < sizes.in.size(); ++i) {
    if (sizes.in[i] > 0) platform.fill_random(buffers_.in[i], sizes.in[i], {17, i});
  }
  if (problem.operation == Operation::batchnorm_backward) {
    // What the forward pass saves: y, mean and inv_std belong to x.
    const Buffers& b = buffers_;
    const auto unused = allocate(problem.rows * problem.channels), bias = allocate(problem.channels);
    platform.fill_random(bias.get(), problem.channels, {17, 99});
    platform.batchnorm_forward(problem.relu ? b.in[2] : unused.get(), b.in[4], b.in[5], b.in[1], b.in[3],
                               bias.get(), problem.relu, problem.rows, problem.channels);
  }
}

Results Workbench::run(const Prepared& contender) {
  const BufferSizes sizes = buffer_sizes(problem_);
  for (size_t i = 0; i < sizes.out.size(); ++i) {
    if (sizes.out[i] > 0) platform_.poison(buffers_.out[i], sizes.out[i]);
  }
  contender.run();
  if (contender.publish) contender.publish();
  Results results;
  for (size_t i = 0; i < sizes.out.size(); ++i) {
    results.emplace_back(size_t(sizes.out[i]));
    if (sizes.out[i] > 0) platform_.fetch(results.back().data(), buffers_.out[i], sizes.out[i]);
  }
  return results;
}

}  // namespace signet::bench
