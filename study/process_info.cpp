#include "study/process_info.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "data/median.h"

namespace signet::study {
namespace {

/// The value of the first "key : value" line of /proc/cpuinfo; empty without one.
std::string_view field(std::string_view cpuinfo, std::string_view key) {
  while (!cpuinfo.empty()) {
    const std::string_view line = cpuinfo.substr(0, cpuinfo.find('\n'));
    cpuinfo.remove_prefix(std::min(line.size() + 1, cpuinfo.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
    const size_t value = line.find_first_not_of(" \t", colon + 1);
    if (name == key && value != std::string_view::npos) return line.substr(value);
  }
  return {};
}

}  // namespace

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return double(usage.ru_maxrss) / 1024;
}

std::string processor_name() {
  // Files of /proc have no size to ask for, so they are read to their end.
  std::ifstream in("/proc/cpuinfo");
  std::ostringstream text;
  text << in.rdbuf();
  return processor_name_from(text.view());
}

std::string processor_name_from(std::string_view cpuinfo) {
  const std::string_view model = field(cpuinfo, "model name");
  const std::string flags = fmt::format(" {} ", field(cpuinfo, "flags"));
  std::string known;
  for (const std::string_view flag : {"avx2", "avx512f", "avx512_bf16", "amx_bf16"}) {
    if (flags.find(fmt::format(" {} ", flag)) == std::string::npos) continue;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", flag);
  }
  std::string name = model.empty() ? "unknown processor" : std::string(model);
  return known.empty() ? name : fmt::format("{} ({})", name, known);
}

std::string utc_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

double median_seconds(int warm_ups, int repetitions, const std::function<void()>& body) {
  for (int i = 0; i < warm_ups; ++i) body();
  std::vector<double> seconds;
  for (int i = 0; i < repetitions; ++i) {
    const Stopwatch watch;
    body();
    seconds.push_back(watch.seconds());
  }
  return data::median(std::move(seconds));
}

}  // namespace signet::study
