#include "study/checkpoint.h"

#include <nlohmann/json.hpp>

#include "models/checkpoint_file.h"
#include "models/fold.h"
#include "models/safetensors.h"
#include "models/state_dict.h"
#include "tensor/error.h"

namespace signet::study {
namespace {
using Json = nlohmann::json;
constexpr const char* kKey = "signet";

[[noreturn]] void fail_damaged(const std::filesystem::path& path, const Json::exception& error) {
  fail("{}: its metadata is damaged ({}); use another checkpoint", path.string(), error.what());
}

Json parse_metadata(const std::string& text, const std::filesystem::path& path) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    fail_damaged(path, error);
  }
}

CheckpointForm form_of(const Json& about, const std::filesystem::path& path) {
  try {
    return {about.at("architecture"), about.at("width"), about.at("preprocessing").at("size"),
            about.at("classes").get<std::vector<std::string>>()};
  } catch (const Json::exception& error) {
    fail_damaged(path, error);
  }
}

models::InputSpec input_of(const Json& about, const std::filesystem::path& path) {
  try {
    const Json& preprocessing = about.at("preprocessing");
    models::InputSpec input;
    input.size = preprocessing.at("size");
    input.channels = preprocessing.at("channels");
    input.mean = preprocessing.at("mean").get<std::array<float, 3>>();
    input.deviation = preprocessing.at("deviation").get<std::array<float, 3>>();
    return input;
  } catch (const Json::exception& error) {
    fail_damaged(path, error);
  }
}

}  // namespace

void save_classifier(const std::filesystem::path& path, models::Network& network,
                     const std::vector<std::string>& classes, uint64_t seed,
                     const std::map<std::string, std::string>& more) {
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
  archive.metadata = more;
  archive.metadata[kKey] = about.dump();
  archive.metadata["format"] = "pt";
  models::write_safetensors(path, archive);
}

std::optional<CheckpointForm> read_form(const std::filesystem::path& path) {
  return read_form(models::read_checkpoint(path), path);
}

std::optional<CheckpointForm> read_form(const models::Archive& archive, const std::filesystem::path& path) {
  const auto entry = archive.metadata.find(kKey);
  if (entry == archive.metadata.end()) return std::nullopt;
  const Json about = parse_metadata(entry->second, path);
  return form_of(about, path);
}

Classifier load_classifier(const std::filesystem::path& path, Device device) {
  return load_classifier(models::read_checkpoint(path), path, device);
}

Classifier load_classifier(const models::Archive& archive, const std::filesystem::path& path, Device device) {
  const auto entry = archive.metadata.find(kKey);
  if (entry == archive.metadata.end()) {
    fail(
        "{}: holds weights but neither class names nor preprocessing, so it was not written by signet; give "
        "it to --weights of study, cv or finetune instead",
        path.string());
  }
  const Json about = parse_metadata(entry->second, path);
  const CheckpointForm form = form_of(about, path);
  Classifier result;
  result.classes = form.classes;
  result.network =
      models::make_network(form.architecture, int(form.classes.size()), form.image_size, form.width, device);
  if (!(result.network->input() == input_of(about, path))) {
    fail("{}: its preprocessing is not the one that {} uses; it was written by another version of signet",
         path.string(), result.network->architecture());
  }
  const auto batchnorm = archive.metadata.find(kBatchnormKey);
  const bool folded = batchnorm != archive.metadata.end() && batchnorm->second == kFolded;
  models::load_weights(*result.network, folded ? models::unfold_batchnorm(archive) : archive, path.string());
  return result;
}

}  // namespace signet::study
