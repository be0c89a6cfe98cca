#include "bench/command_line.h"

#include <charconv>
#include <ostream>

namespace signet::bench {
namespace {

/// Positive whole numbers, separated by commas; empty if the text is something else.
std::vector<int64_t> numbers(std::string_view text) {
  std::vector<int64_t> values;
  while (true) {
    const std::string_view word = text.substr(0, text.find(','));
    int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || value < 1) return {};
    values.push_back(value);
    if (word.size() == text.size()) return values;
    text.remove_prefix(word.size() + 1);
  }
}

}  // namespace

bool CommandLine::parse(std::string_view flag) {
  if (flag == "--tiny") {
    tiny = true;
    return true;
  }
  const size_t equals = flag.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view name = flag.substr(0, equals);
  const std::vector<int64_t> values = numbers(flag.substr(equals + 1));
  if (values.empty()) return false;
  if (name == "--batches") {
    batches = values;
    return true;
  }
  if (values.size() != 1) return false;
  if (name == "--samples") samples = int(values[0]);
  if (name == "--threads") threads = int(values[0]);
  return name == "--samples" || name == "--threads";
}

int report_summary(const ComparisonSummary& summary, std::ostream& out) {
  out << summary.rows << " rows: " << summary.failed << " failed, " << summary.refused << " refused"
      << std::endl;
  return summary.failed > 0 || summary.rows == 0 ? 1 : 0;
}

}  // namespace signet::bench
