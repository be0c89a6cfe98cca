#pragma once
// How often one address may ask.

#include <chrono>
#include <map>
#include <mutex>
#include <string>

namespace signet::apps {

/// A bucket of tokens for each address: `per_second` are added a second, up to two seconds' worth; a request
/// takes one. Remembers a bounded number of addresses. Safe from any number of threads.
class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;

  /// 0 or less: no limit.
  explicit RateLimit(double per_second) : per_second_(per_second) {}
  bool allow(const std::string& address, Clock::time_point now = Clock::now());

 private:
  struct Bucket {
    double tokens;
    Clock::time_point filled;
  };

  double per_second_;
  std::mutex mutex_;
  std::map<std::string, Bucket> buckets_;
};

}  // namespace signet::apps
