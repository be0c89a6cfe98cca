#pragma once
// A trained network as a file: safetensors with torchvision's names, and in its metadata all that is needed
// to use it.

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/archive.h"
#include "models/network.h"

namespace signet::study {

/// A network together with the names of its classes.
struct Classifier {
  std::unique_ptr<models::Network> network;
  std::vector<std::string> classes;
};

/// Writes a network with its classes, preprocessing (size, channels, mean, deviation), architecture and seed,
/// and with further metadata.
void save_classifier(const std::filesystem::path& path, models::Network& network,
                     const std::vector<std::string>& classes, uint64_t seed,
                     const std::map<std::string, std::string>& more = {});

/// What a checkpoint of save_classifier says about its network.
struct CheckpointForm {
  std::string architecture;
  int width = 0;  ///< 0 where the architecture has none
  int image_size = 0;
  std::vector<std::string> classes;
};

/// The form of a checkpoint; none for weights that save_classifier did not write. Throws Error for a file
/// that cannot be read.
std::optional<CheckpointForm> read_form(const std::filesystem::path& path);
/// The same of what was read from a file.
std::optional<CheckpointForm> read_form(const models::Archive& archive, const std::filesystem::path& path);

/// Reads what save_classifier wrote, or what `signet export` made of it. Throws Error for a damaged file, and
/// for a checkpoint without this metadata (plain weights say neither their classes nor their preprocessing).
Classifier load_classifier(const std::filesystem::path& path, Device device = {});
/// The same of what was read from a file.
Classifier load_classifier(const models::Archive& archive, const std::filesystem::path& path,
                           Device device = {});

/// How a checkpoint says that its batchnorms are folded into the convolutions (models/fold.h):
/// metadata[kBatchnormKey] is kFolded. Such a checkpoint loads like any other.
inline constexpr const char* kBatchnormKey = "batchnorm";
inline constexpr const char* kFolded = "folded";

}  // namespace signet::study
