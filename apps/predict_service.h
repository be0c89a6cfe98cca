#pragma once
// What the server answers at each path.

#include <chrono>
#include <cstdint>
#include <optional>
#include <semaphore>
#include <string>

#include "apps/http_server.h"
#include "apps/rate_limit.h"
#include "apps/server_metrics.h"
#include "study/inference.h"
#include "study/inference_queue.h"
#include "study/typical.h"

namespace signet::apps {

struct ServiceOptions {
  int64_t most_pixels = 25'000'000;  ///< of one picture
  size_t most_images = 32;           ///< in one request
  size_t most_body_bytes = 16 << 20;
  double requests_per_second = 0;  ///< of one address; 0: any number
  int batch_size = 32;
  int queue = 512;  ///< pictures that wait for the network
  /// A picture waits no longer for its turn.
  std::chrono::milliseconds longest_wait{30'000};
};

/// The pages and the interface of one classifier. Handlers are safe from any number of threads.
class PredictService {
 public:
  PredictService(const study::Inference& inference, std::optional<study::Typical> typical,
                 ServiceOptions options);

  /// Adds the routes: / and what it loads, /predict, /model, /healthz, /metrics, /openapi.json.
  void attach(HttpServer& server);
  /// What the warnings rest on, in a sentence.
  std::string basis_of_warnings() const;
  int64_t images_answered() const { return queue_.counts().images; }

 private:
  /// A picture of a request, from bytes to answer.
  struct Item {
    std::string name, error;
    std::string_view bytes;
    data::Image prepared, shown;  ///< shown: for the overlay, small
    study::Answer answer;
  };

  HttpResponse predict(const HttpRequest& request);
  std::vector<Item> items_of(const HttpRequest& request) const;
  void decode(Item& item, bool with_heat);
  bool answer_all(std::vector<Item>& items, bool with_heat);
  std::string json_of(const Item& item, int top, bool with_heat) const;
  HttpResponse model() const;
  HttpResponse metrics(const HttpServer& server) const;

  const study::Inference& inference_;
  std::optional<study::Typical> typical_;
  ServiceOptions options_;
  bool has_heat_;
  std::counting_semaphore<> decoders_;  // pictures decoded at once: each may take some hundred megabytes
  RateLimit rate_;
  ServerMetrics metrics_;
  study::InferenceQueue queue_;
};

}  // namespace signet::apps
