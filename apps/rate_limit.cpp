#include "apps/rate_limit.h"

#include <algorithm>

namespace signet::apps {

bool RateLimit::allow(const std::string& address, Clock::time_point now) {
  constexpr size_t kMostAddresses = 10'000;
  if (per_second_ <= 0) return true;
  const double full = std::max(1.0, 2 * per_second_);
  const std::lock_guard lock(mutex_);
  if (buckets_.size() >= kMostAddresses && !buckets_.contains(address)) {
    // An address that was quiet for as long as filling takes has a full bucket, as a new one would.
    std::erase_if(buckets_, [&](const auto& entry) {
      return std::chrono::duration<double>(now - entry.second.filled).count() * per_second_ >= full;
    });
    if (buckets_.size() >= kMostAddresses) return false;
  }
  Bucket& bucket = buckets_.try_emplace(address, Bucket{full, now}).first->second;
  bucket.tokens = std::min(
      full, bucket.tokens + std::chrono::duration<double>(now - bucket.filled).count() * per_second_);
  bucket.filled = now;
  if (bucket.tokens < 1) return false;
  --bucket.tokens;
  return true;
}

}  // namespace signet::apps
