#pragma once
// What this process runs on and what it has used: for args.json, summary.json and `signet info`.

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace signet::study {

/// The most memory this process has had resident, in MiB (getrusage's ru_maxrss / 1024).
double peak_rss_mb();

/// The processor and the instruction sets that matter to the kernels, e.g. "AMD EPYC 9R14 (avx2, avx512f,
/// avx512_bf16)"; "unknown processor" where /proc/cpuinfo does not tell.
std::string processor_name();

/// The same from the text of a /proc/cpuinfo.
std::string processor_name_from(std::string_view cpuinfo);

/// The time now, in UTC, as "2026-01-31T12:00:00Z" (ISO 8601).
std::string utc_now();

/// Seconds since it was made or last reset, on the steady clock.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  void reset() { start_ = Clock::now(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// The median time of `body` in seconds, after calls that do not count.
double median_seconds(int warm_ups, int repetitions, const std::function<void()>& body);

}  // namespace signet::study
