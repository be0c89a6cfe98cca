#include "apps/server_metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace signet::apps {

void ServerMetrics::count(const std::string& path, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  ++requests_[{path.empty() ? "other" : path, status}];
  if (path != "/predict") return;
  const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), seconds) - kBounds.begin();
  ++buckets_[size_t(bucket)];
  seconds_ += seconds;
}

std::string ServerMetrics::text(const std::map<std::string, double>& more) const {
  const std::lock_guard lock(mutex_);
  std::string text =
      "# HELP signet_http_requests_total Requests answered, by path and status.\n"
      "# TYPE signet_http_requests_total counter\n";
  for (const auto& [key, count] : requests_) {
    text += fmt::format("signet_http_requests_total{{path=\"{}\",status=\"{}\"}} {}\n", key.first, key.second,
                        count);
  }
  text +=
      "# HELP signet_predict_seconds Time from a /predict request's headers to its answer.\n"
      "# TYPE signet_predict_seconds histogram\n";
  int64_t total = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    total += buckets_[i];
    text += fmt::format("signet_predict_seconds_bucket{{le=\"{}\"}} {}\n",
                        i < kBounds.size() ? fmt::format("{}", kBounds[i]) : "+Inf", total);
  }
  text += fmt::format("signet_predict_seconds_sum {}\nsignet_predict_seconds_count {}\n", seconds_, total);
  for (const auto& [name, value] : more) {
    text +=
        fmt::format("# TYPE {0} {1}\n{0} {2}\n", name, name.ends_with("_total") ? "counter" : "gauge", value);
  }
  return text;
}

}  // namespace signet::apps
