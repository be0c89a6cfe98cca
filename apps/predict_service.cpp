#include "apps/predict_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "apps/multipart.h"
#include "apps/serve_page.h"
#include "data/decode.h"
#include "data/encode.h"
#include "data/heatmap.h"
#include "kernels/parallel.h"
#include "study/answer_json.h"
#include "study/text.h"
#include "tensor/base64.h"
#include "tensor/error.h"

namespace signet::apps {
namespace {

constexpr int kDefaultTop = 5;
constexpr int kOverlayPixels = 384;
constexpr size_t kLongestName = 200;
constexpr const char* kJson = "application/json";

/// Memory that this process has resident, from /proc.
double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double all = 0, resident = 0;
  file >> all >> resident;
  return resident * 4096;
}

std::string query_value(const HttpRequest& request, const std::string& key) {
  const auto found = request.query.find(key);
  return found == request.query.end() ? "" : found->second;
}

HttpResponse try_again(int status, const std::string& sentence) {
  auto response = http_error(status, sentence);
  response.headers["Retry-After"] = "1";
  return response;
}

HttpResponse page(const std::string& type, std::string_view text) {
  return {200,
          type,
          std::string(text),
          {{"Content-Security-Policy",
            "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; frame-ancestors 'none'"},
           {"X-Content-Type-Options", "nosniff"},
           {"Referrer-Policy", "no-referrer"},
           {"Cache-Control", "no-cache"}}};
}

}  // namespace

PredictService::PredictService(const study::Inference& inference, std::optional<study::Typical> typical,
                               ServiceOptions options)
    : inference_(inference),
      typical_(std::move(typical)),
      options_(options),
      has_heat_(inference.has_convolutions()),
      decoders_(std::clamp(num_threads(), 1, 4)),
      rate_(options.requests_per_second),
      queue_(inference, options.batch_size, options.queue) {}

std::string PredictService::basis_of_warnings() const {
  if (!typical_) return "confidence only (the checkpoint holds no statistics of its training pictures)";
  return fmt::format("confidence, and background and framing{} of {} training pictures",
                     typical_->feature_mean.empty() ? "" : " and features", typical_->pictures);
}

void PredictService::attach(HttpServer& server) {
  server.route("POST", "/predict", [this](const HttpRequest& request) { return predict(request); });
  server.route("GET", "/", [](const HttpRequest&) { return page("text/html; charset=utf-8", kPageHtml); });
  server.route("GET", "/page.css",
               [](const HttpRequest&) { return page("text/css; charset=utf-8", kPageCss); });
  server.route("GET", "/page.js",
               [](const HttpRequest&) { return page("text/javascript; charset=utf-8", kPageScript); });
  server.route("GET", "/model", [this](const HttpRequest&) { return model(); });
  server.route("GET", "/healthz", [](const HttpRequest&) {
    return HttpResponse{200, kJson, "{\"status\": \"ok\"}\n"};
  });
  server.route("GET", "/metrics", [this, &server](const HttpRequest&) { return metrics(server); });
  server.route("GET", "/openapi.json", [](const HttpRequest&) { return page(kJson, kOpenApi); });
  server.observe(
      [this](const std::string& path, int status, double seconds) { metrics_.count(path, status, seconds); });
}

HttpResponse PredictService::model() const {
  std::string names;
  for (const auto& name : inference_.classes()) {
    names += (names.empty() ? "" : ", ") + study::json_text(name);
  }
  return {200, kJson,
          fmt::format("{{\"model\": \"{}\", \"gradcam\": {}, \"warnings\": {}, \"max_images\": {}, "
                      "\"max_bytes\": {}, \"max_pixels\": {}, \"classes\": [{}]}}\n",
                      inference_.network().architecture(), has_heat_, study::json_text(basis_of_warnings()),
                      options_.most_images, options_.most_body_bytes, options_.most_pixels, names)};
}

HttpResponse PredictService::metrics(const HttpServer& server) const {
  const auto counts = queue_.counts();
  return {200, "text/plain; version=0.0.4; charset=utf-8",
          metrics_.text({{"signet_images_total", double(counts.images)},
                         {"signet_batches_total", double(counts.batches)},
                         {"signet_queue_images", double(counts.waiting)},
                         {"signet_open_connections", double(server.open_connections())},
                         {"process_resident_memory_bytes", resident_bytes()}})};
}

HttpResponse PredictService::predict(const HttpRequest& request) {
  if (!rate_.allow(request.client)) return try_again(429, "too many requests; try again in a moment");
  int top = std::min(kDefaultTop, int(inference_.classes().size()));
  if (const auto text = query_value(request, "top"); !text.empty()) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), top);
    if (error != std::errc() || end != text.data() + text.size() || top < 1) {
      return http_error(400, "top is a whole number of at least 1");
    }
  }
  const auto heat = query_value(request, "gradcam");
  const bool with_heat = heat == "1" || heat == "true";
  if (with_heat && !has_heat_) {
    return http_error(
        400, inference_.network().architecture() + " has no convolutions, so there is no Grad-CAM of it");
  }
  std::vector<Item> items;
  try {
    items = items_of(request);
  } catch (const Error& error) {
    return http_error(400, error.what());
  }
  if (items.empty()) return http_error(400, "the body holds no image");
  for (auto& item : items) decode(item, with_heat);
  try {
    if (!answer_all(items, with_heat))
      return try_again(503, "too many pictures are waiting; try again in a moment");
  } catch (const study::InferenceQueue::Overdue& overdue) {
    return try_again(503, fmt::format("{}; try again in a moment", overdue.what()));
  }
  std::string results;
  bool any = false;
  for (const auto& item : items) {
    any = any || item.error.empty();
    results += (results.empty() ? "" : ", ") + json_of(item, top, with_heat);
  }
  // A form is a list: that it was answered is one thing, what became of each picture another.
  return {any || is_multipart(request.content_type) ? 200 : 400, kJson,
          fmt::format("{{\"model\": \"{}\", \"results\": [{}]}}\n", inference_.network().architecture(),
                      results)};
}

std::vector<PredictService::Item> PredictService::items_of(const HttpRequest& request) const {
  std::vector<Item> items;
  if (!is_multipart(request.content_type)) {
    if (!request.body.empty()) items.push_back({"image", "", request.body, {}, {}, {}});
    return items;
  }
  for (const auto& part : parse_multipart(request.body, request.content_type, options_.most_images)) {
    const std::string name = part.file_name.empty() ? part.name : part.file_name;
    items.push_back({study::printable(name.substr(0, kLongestName)), "", part.content, {}, {}, {}});
  }
  return items;
}

void PredictService::decode(Item& item, bool with_heat) {
  decoders_.acquire();
  try {
    const data::Image image = data::decode_image(item.bytes, item.name, options_.most_pixels);
    item.prepared = inference_.prepare(image);
    if (with_heat) {
      const int longest = std::max(image.height, image.width);
      const auto side = [&](int pixels) {
        return longest <= kOverlayPixels ? pixels
                                         : std::max(1, int(int64_t{pixels} * kOverlayPixels / longest));
      };
      item.shown = data::resize(image, side(image.height), side(image.width));
    }
  } catch (const Error& error) {
    item.error = error.what();
  } catch (const std::bad_alloc&) {
    item.error = item.name + ": the memory does not suffice to decode it; make it smaller";
  }
  decoders_.release();
}

/// Waits for the network; false if the queue has no room, Overdue if the turn does not come in time.
bool PredictService::answer_all(std::vector<Item>& items, bool with_heat) {
  std::vector<data::Image> prepared;
  for (const auto& item : items) {
    if (item.error.empty()) prepared.push_back(item.prepared);
  }
  if (prepared.empty()) return true;
  auto answers = queue_.submit(std::move(prepared), with_heat,
                               study::InferenceQueue::Clock::now() + options_.longest_wait);
  if (!answers) return false;
  auto next = answers->begin();
  for (auto& item : items) {
    if (item.error.empty()) item.answer = (next++)->get();
  }
  return true;
}

std::string PredictService::json_of(const Item& item, int top, bool with_heat) const {
  if (!item.error.empty()) return study::refusal_json(item.name, item.error);
  study::AnswerNotes notes;
  notes.warnings = study::warnings_for(item.answer, item.prepared, typical_);
  if (with_heat) {
    const data::Image overlay = data::draw_heat(item.shown, item.answer.heat);
    notes.gradcam = "data:image/jpeg;base64," + base64(data::encode_jpeg(overlay, 85));
  }
  return study::answer_json(item.name, item.answer, inference_.classes(), top, notes);
}

}  // namespace signet::apps
