#include "study/svg_axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace signet::study {
namespace {

constexpr int kRoundNumbers[] = {1, 2, 5};

Axis axis_with_step(double low, double high, double step, int decimals) {
  Axis axis;
  // A hair's tolerance, so that 0.3 / 0.1 does not open another step.
  const double first = std::floor(low / step + 1e-9);
  const double last = std::max(std::ceil(high / step - 1e-9), first + 1);
  for (double k = first; k <= last; ++k) axis.ticks.push_back(k * step);
  axis.low = axis.ticks.front();
  axis.high = axis.ticks.back();
  axis.decimals = decimals;
  return axis;
}

}  // namespace

double Axis::share(double value) const {
  if (logarithmic) return std::log(value / low) / std::log(high / low);
  return (value - low) / (high - low);
}

std::string Axis::label(double tick) const {
  if (logarithmic) return fmt::format("{:g}", tick);
  const std::string text = fmt::format("{:.{}f}", tick, decimals);
  // No minus before a zero.
  return text.find_first_not_of("-0.") == text.npos ? fmt::format("{:.{}f}", 0.0, decimals) : text;
}

Axis round_axis(double low, double high, int most_ticks) {
  if (!std::isfinite(low) || !std::isfinite(high) || low > high || most_ticks < 2) {
    throw std::invalid_argument(fmt::format("[round_axis] {}..{} with {} ticks", low, high, most_ticks));
  }
  const double magnitude = std::max(std::abs(low), std::abs(high));
  if (high - low <= 1e-9 * magnitude) high = low + (magnitude > 0 ? 0.1 * magnitude : 1.0);
  for (int exponent = int(std::floor(std::log10(high - low))) - 2;; ++exponent) {
    for (const int factor : kRoundNumbers) {
      Axis axis = axis_with_step(low, high, factor * std::pow(10.0, exponent), std::max(-exponent, 0));
      if (int(axis.ticks.size()) <= most_ticks) return axis;
    }
  }
}

Axis log_axis(double low, double high, int most_ticks) {
  if (!(low > 0) || !(low < high) || !std::isfinite(high)) {
    throw std::invalid_argument(fmt::format("[log_axis] {}..{}", low, high));
  }
  Axis axis;
  axis.logarithmic = true;
  std::vector<double> candidates;
  const int first = int(std::floor(std::log10(low)));
  const int last = int(std::ceil(std::log10(high)));
  for (int exponent = first; exponent <= last; ++exponent) {
    for (const int factor : kRoundNumbers) candidates.push_back(factor * std::pow(10.0, exponent));
  }
  axis.low = *(std::ranges::upper_bound(candidates, low) - 1);
  axis.high = *std::ranges::lower_bound(candidates, high);
  for (const double tick : candidates) {
    if (tick >= axis.low && tick <= axis.high) axis.ticks.push_back(tick);
  }
  if (int(axis.ticks.size()) > most_ticks) {
    std::erase_if(axis.ticks, [](double tick) {
      const double power = std::log10(tick);
      return std::abs(power - std::round(power)) > 1e-6;
    });
  }
  return axis;
}

std::vector<int> whole_ticks(int first, int last, int most_ticks) {
  for (int power = 1;; power *= 10) {
    for (const int factor : kRoundNumbers) {
      const int step = factor * power;
      std::vector<int> ticks;
      for (int value = first; value <= last; ++value) {
        if (value % step == 0) ticks.push_back(value);
      }
      if (ticks.empty()) return {first};
      if (int(ticks.size()) <= most_ticks) return ticks;
    }
  }
}

}  // namespace signet::study
