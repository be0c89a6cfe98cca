#include "study/checkpoint.h"

#include <nlohmann/json.hpp>

#include "models/checkpoint_file.h"
#include "models/safetensors.h"
#include "models/state_dict.h"
#include "tensor/error.h"

namespace signet::study {
namespace {
using Json = nlohmann::json;
constexpr const char* kKey = "signet";
}  // namespace

void save_classifier(const std::filesystem::path& path, models::Network& network,
                     const std::vector<std::string>& classes, uint64_t seed) {
  const auto input = network.input();
  models::Archive archive = models::save_weights(network);
  const models::Array* stem = archive.find("conv1.weight");
  Json about;
  about["version"] = SIGNET_VERSION;
  about["architecture"] = network.architecture();
  about["width"] = stem != nullptr ? stem->shape[0] : 0;
  about["classes"] = classes;
  about["seed"] = seed;
  about["preprocessing"] = {{"size", input.size},
                            {"channels", input.channels},
                            {"mean", input.mean},
                            {"deviation", input.deviation},
                            {"resize", "antialiased bilinear, whole image to size x size"}};
  archive.metadata[kKey] = about.dump();
  archive.metadata["format"] = "pt";
  models::write_safetensors(path, archive);
}

Classifier load_classifier(const std::filesystem::path& path, Device device) {
  const models::Archive archive = models::read_checkpoint(path);
  const auto entry = archive.metadata.find(kKey);
  if (entry == archive.metadata.end()) {
    fail(
        "{}: holds weights but neither class names nor preprocessing, so it was not written by signet; give "
        "it to "
        "--weights of study, cv or finetune instead",
        path.string());
  }
  Classifier result;
  try {
    const Json about = Json::parse(entry->second);
    result.classes = about.at("classes").get<std::vector<std::string>>();
    const Json& preprocessing = about.at("preprocessing");
    models::InputSpec wanted;
    wanted.size = preprocessing.at("size");
    wanted.channels = preprocessing.at("channels");
    wanted.mean = preprocessing.at("mean").get<std::array<float, 3>>();
    wanted.deviation = preprocessing.at("deviation").get<std::array<float, 3>>();
    result.network = models::make_network(about.at("architecture"), int(result.classes.size()), wanted.size,
                                          about.at("width"), device);
    if (!(result.network->input() == wanted)) {
      fail("{}: its preprocessing is not the one that {} uses; it was written by another version of signet",
           path.string(), result.network->architecture());
    }
  } catch (const Json::exception& error) {
    fail("{}: its metadata is damaged ({})", path.string(), error.what());
  }
  models::load_weights(*result.network, archive, path.string());
  return result;
}

}  // namespace signet::study
