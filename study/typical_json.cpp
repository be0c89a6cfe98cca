#include <nlohmann/json.hpp>

#include "study/typical.h"
#include "tensor/error.h"

namespace signet::study {
namespace {

using Json = nlohmann::ordered_json;

Range range_from(const Json& json) {
  return {json.at(0).get<double>(), json.at(1).get<double>()};
}

}  // namespace

std::string to_json(const Typical& typical) {
  Json json{{"pictures", typical.pictures},
            {"border", {typical.border.low, typical.border.high}},
            {"filled", {typical.filled.low, typical.filled.high}}};
  if (!typical.feature_mean.empty()) {
    json["feature_mean"] = typical.feature_mean;
    json["feature_deviation"] = typical.feature_deviation;
    json["feature_distance"] = typical.feature_distance;
  }
  return json.dump();
}

Typical typical_from_json(std::string_view text, const std::string& source) {
  try {
    const Json json = Json::parse(text);
    Typical typical;
    typical.pictures = json.at("pictures");
    typical.border = range_from(json.at("border"));
    typical.filled = range_from(json.at("filled"));
    if (json.contains("feature_mean")) {
      typical.feature_mean = json.at("feature_mean").get<std::vector<float>>();
      typical.feature_deviation = json.at("feature_deviation").get<std::vector<float>>();
      typical.feature_distance = json.at("feature_distance");
      if (typical.feature_deviation.size() != typical.feature_mean.size()) {
        fail("{}: its statistics of training pictures contradict each other; use another checkpoint", source);
      }
    }
    return typical;
  } catch (const Json::exception& error) {
    fail("{}: its statistics of training pictures are damaged ({}); use another checkpoint", source,
         error.what());
  }
}

}  // namespace signet::study
