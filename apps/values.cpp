#include "apps/values.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>

namespace signet::apps {
namespace {

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

template <class Number>
std::optional<Number> parse(const std::string& text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A finite number for which `allowed` holds; `rule` says in words which these are.
CLI::Validator number(std::string rule, std::function<bool(double)> allowed) {
  return {[rule = std::move(rule), allowed = std::move(allowed)](const std::string& text) -> std::string {
            const auto value = parse<double>(text);
            if (!value) return fmt::format("'{}' is not a number", text);
            return std::isfinite(*value) && allowed(*value) ? ""
                                                            : fmt::format("must be {}, not {}", rule, text);
          },
          ""};
}

}  // namespace

CLI::Validator whole_number(uint64_t low, uint64_t high) {
  return {[low, high](const std::string& text) -> std::string {
            const bool negative = text.starts_with('-');
            const auto value = parse<uint64_t>(negative ? text.substr(1) : text);
            if (value && !negative && *value >= low && *value <= high) return "";
            const bool digits =
                text.find_first_not_of("0123456789", negative) == text.npos && text.size() > negative;
            if (!digits) return fmt::format("'{}' is not a whole number", text);
            return negative || (value && *value < low)
                       ? fmt::format("must be at least {}, not {}", low, text)
                       : fmt::format("must be at most {}, not {}", high, text);
          },
          ""};
}

CLI::Validator above_zero() {
  return number("a number above 0", [](double v) { return v > 0; });
}
CLI::Validator zero_or_more() {
  return number("0 or more", [](double v) { return v >= 0; });
}
CLI::Validator from_zero_to(double high) {
  return number(fmt::format("between 0 and {}", high), [high](double v) { return v >= 0 && v <= high; });
}
CLI::Validator from_zero_to_below(double high) {
  return number(fmt::format("from 0 to below {}", high), [high](double v) { return v >= 0 && v < high; });
}

CLI::Validator one_of(std::vector<std::string> words) {
  const std::string name = fmt::format("{}", fmt::join(words, " "));
  CLI::Validator check(
      [words = std::move(words)](const std::string& text) -> std::string {
        if (std::find(words.begin(), words.end(), text) != words.end()) return "";
        const auto meant = nearest(text, words);
        return fmt::format("'{}' is unknown; use {}{}", text, alternatives(words),
                           meant.empty() ? "" : fmt::format(" (did you mean {}?)", meant));
      },
      "");
  return check.name(name);
}

std::string nearest(const std::string& unknown, const std::vector<std::string>& words) {
  const auto best = std::min_element(words.begin(), words.end(), [&](const auto& a, const auto& b) {
    return edit_distance(a, unknown) < edit_distance(b, unknown);
  });
  if (best == words.end() || 2 * edit_distance(*best, unknown) > unknown.size() + 2) return {};
  return *best;
}

std::string alternatives(const std::vector<std::string>& words) {
  if (words.size() < 2) return words.empty() ? "" : words.front();
  return fmt::format("{} or {}", fmt::join(words.begin(), words.end() - 1, ", "), words.back());
}

}  // namespace signet::apps
