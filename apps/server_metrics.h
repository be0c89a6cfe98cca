#pragma once
// What a server counts, as Prometheus reads it.

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace signet::apps {

/// Counters of requests and a histogram of their times. Safe from any number of threads.
class ServerMetrics {
 public:
  void count(const std::string& path, int status, double seconds);
  /// The text exposition format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats), with
  /// further gauges and counters: name (ending in _total for a counter), and value.
  std::string text(const std::map<std::string, double>& more) const;

  static constexpr std::array<double, 12> kBounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                  0.1,   0.25,   0.5,   1,    2.5,   10};

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> requests_;
  std::array<int64_t, kBounds.size() + 1> buckets_{};  // of /predict
  double seconds_ = 0;
};

}  // namespace signet::apps
