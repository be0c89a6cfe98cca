#include "bench/table.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

namespace signet::bench {
namespace {

using Json = nlohmann::json;

struct Row {
  std::string operation, problem, contender, math, notes, error;
  bool vendor = false;
  std::map<std::string, double> counters;

  double counter(const std::string& name) const {
    const auto found = counters.find(name);
    return found == counters.end() ? 0 : found->second;
  }
};

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0;;) {
    const size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + separator.size();
  }
}

/// Google Benchmark appends "/iterations:30/manual_time" to names.
std::string without_settings(const std::string& name) {
  return name.substr(0, std::min(name.find("/iterations:"), name.find("/manual_time")));
}

Row row_of(const Json& run) {
  const std::string name = without_settings(run.at("name"));
  const auto parts = split(name, " / ");
  if (parts.size() < 5) throw std::runtime_error("\"" + name + "\" is no row of a comparison");
  const size_t n = parts.size();
  Row row{.operation = parts[0],
          .problem = parts[1],
          .contender = parts[n - 2],
          .math = parts[n - 1],
          .notes = run.value("label", ""),
          .error = run.value("error_occurred", false) ? run.value("error_message", "failed") : "",
          .vendor = parts[n - 3] == "vendor",
          .counters = {}};
  for (size_t i = 2; i + 3 < n; ++i) row.problem += ", " + parts[i];
  for (const auto& [key, value] : run.items()) {
    if (value.is_number()) row.counters[key] = value;
  }
  return row;
}

std::string number(double value, const char* form) {
  return value > 0 ? fmt::format(fmt::runtime(form), value) : "";
}

/// The larger part of a peak that is used, and which.
std::string percent_of_peak(const Row& row) {
  const double arithmetic = row.counter("percent_of_arithmetic"),
               bandwidth = row.counter("percent_of_bandwidth");
  if (arithmetic <= 0 && bandwidth <= 0) return "";
  return arithmetic >= bandwidth ? fmt::format("{:.0f} of FLOP/s", arithmetic)
                                 : fmt::format("{:.0f} of GB/s", bandwidth);
}

std::string result_of(const Row& row) {
  if (row.error.empty()) return "agrees";
  return row.error.starts_with("refused") ? "refused" : "**failed**";
}

std::string notes_of(const Row& row) {
  if (row.error.empty()) return row.notes;
  return row.error.starts_with("refused: ") ? row.error.substr(9) : row.error;
}

/// By problem and math, the median of the fastest vendor row.
std::map<std::pair<std::string, std::string>, double> vendor_medians(const std::vector<Row>& rows) {
  std::map<std::pair<std::string, std::string>, double> medians;
  for (const Row& row : rows) {
    const double median = row.counter("median_us");
    if (!row.vendor || !row.error.empty() || median <= 0) continue;
    double& best = medians[{row.operation + row.problem, row.math}];
    if (best == 0 || median < best) best = median;
  }
  return medians;
}

}  // namespace

std::string markdown_of(const std::string& text) {
  std::vector<Row> rows;
  bool simulated = false;
  std::string context;
  try {
    const Json json = Json::parse(text);
    simulated = json.at("context").value("simulated", "no") == "yes";
    for (const char* key : {"card", "vendor", "threads", "times"}) {
      if (json.at("context").contains(key))
        context += fmt::format("- {}: {}\n", key, json["context"][key].get<std::string>());
    }
    for (const Json& run : json.at("benchmarks")) rows.push_back(row_of(run));
  } catch (const Json::exception& error) {
    throw std::runtime_error(std::string("this is not Google Benchmark's JSON: ") + error.what());
  }
  const auto vendor = vendor_medians(rows);
  std::string out = context, operation;
  for (const Row& row : rows) {
    if (row.operation != operation) {
      operation = row.operation;
      out += fmt::format("\n### {}\n\n", operation);
      out += simulated
                 ? "| problem | kernel | math | check | notes |\n|---|---|---|---|---|\n"
                 : "| problem | kernel | math | check | median µs | noise % | TFLOP/s | GB/s | % of peak | "
                   "ratio to the vendor | notes |\n|---|---|---|---|---|---|---|---|---|---|---|\n";
    }
    out += fmt::format("| {} | {} | {} | {} |", row.problem, row.contender, row.math, result_of(row));
    if (!simulated) {
      const double median = row.error.empty() ? row.counter("median_us") : 0;
      const auto best = vendor.find({row.operation + row.problem, row.math});
      const double ratio = median > 0 && best != vendor.end() ? best->second / median : 0;
      out += fmt::format(" {} | {} | {} | {} | {} | {} |", number(median, "{:.1f}"),
                         median > 0 ? fmt::format("{:.1f}", row.counter("noise_percent")) : "",
                         number(row.counter("tflops"), "{:.2f}"), number(row.counter("gb_per_s"), "{:.0f}"),
                         percent_of_peak(row), number(ratio, "{:.2f}"));
    }
    out += fmt::format(" {} |\n", notes_of(row));
  }
  return out;
}

}  // namespace signet::bench
