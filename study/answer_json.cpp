#include "study/answer_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace signet::study {
namespace {

using Json = nlohmann::ordered_json;

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string answer_json(const std::string& path, const Answer& answer,
                        const std::vector<std::string>& classes, int top, const AnswerNotes& notes) {
  Json json{{"path", path}};
  if (!notes.gradcam.empty()) json["gradcam"] = notes.gradcam;
  if (notes.warnings) json["warnings"] = *notes.warnings;
  json["predictions"] = Json::array();
  for (size_t rank = 0; rank < std::min(size_t(top), answer.ranking.size()); ++rank) {
    const auto c = size_t(answer.ranking[rank]);
    json["predictions"].push_back({{"class", classes[c]}, {"probability", answer.probabilities[c]}});
  }
  return line_of(json);
}

std::string refusal_json(const std::string& path, const std::string& error) {
  return line_of({{"path", path}, {"error", error}});
}

std::string json_text(const std::string& text) {
  return line_of(text);
}

}  // namespace signet::study
