#include "tests/apps/world.h"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

namespace signet::test {

const fs::path& signs() {
  static const Folder folder;
  static const fs::path path = [] {
    check_succeeds(folder, {"data", "signs", "signs", "--signers", "3", "--takes", "2", "--lights", "dif",
                            "--image-size", "32"});
    return folder / "signs";
  }();
  return path;
}

fs::path copy_classes(const Folder& folder, const std::vector<std::string>& classes) {
  for (const auto& name : classes) {
    fs::create_directories(folder / "data");
    fs::copy(signs() / name, folder / "data" / name, fs::copy_options::recursive);
  }
  return folder / "data";
}

const fs::path& narrow_checkpoint() {
  static const Folder folder;
  static const fs::path path = [] {
    copy_classes(folder, {"a", "b"});
    check_succeeds(folder, {"train", "--data", "data", "--model", "resnet18", "--width", "8", "--image-size",
                            "32", "--epochs", "1", "--folds", "2", "--output", "run"});
    return folder / "run/weights/resnet18-last.safetensors";
  }();
  return path;
}

Words narrow(Words words) {
  for (const char* word : {"--width", "8", "--image-size", "32", "--epochs", "1", "--folds", "2"}) {
    words.emplace_back(word);
  }
  return words;
}

std::string with_nan(const std::string& safetensors, const std::string& tensor) {
  uint64_t header = 0;
  std::memcpy(&header, safetensors.data(), sizeof(header));
  const auto about = nlohmann::json::parse(safetensors.substr(sizeof(header), header));
  const auto offsets = about.at(tensor).at("data_offsets").get<std::vector<size_t>>();
  std::string changed = safetensors;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (size_t at = offsets[0]; at < offsets[1]; at += sizeof(nan)) {
    std::memcpy(changed.data() + sizeof(header) + header + at, &nan, sizeof(nan));
  }
  return changed;
}

}  // namespace signet::test
