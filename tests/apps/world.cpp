#include "tests/apps/world.h"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

namespace signet::test {
namespace {

std::string without_timings(const std::string& results) {
  std::istringstream lines(results);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    for (int column = 0; column < 2; ++column) line.resize(line.rfind(','));
    kept += line + "\n";
  }
  return kept;
}

}  // namespace

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

std::map<std::string, std::string> bits(const Folder& folder, const std::string& run) {
  std::map<std::string, std::string> found;
  for (auto& [name, content] : folder.contents()) {
    if (!name.starts_with(run + "/")) continue;
    const std::string inside = name.substr(run.size() + 1);
    if (inside.starts_with("resume") || inside == "args.json" || inside == "report.html") continue;
    if (inside.starts_with("tensorboard")) continue;
    found[inside] = content;
  }
  found["results.csv"] = without_timings(found.at("results.csv"));
  auto summary = nlohmann::json::parse(found.at("summary.json"));
  for (const char* key : {"seconds", "peak_rss_mb"}) summary.erase(key);
  for (auto& [name, model] : summary.at("models").items()) model.erase("seconds");
  found["summary.json"] = summary.dump();
  return found;
}

void check_same(const std::map<std::string, std::string>& a, const std::map<std::string, std::string>& b) {
  CHECK(a.size() == b.size());
  for (const auto& [name, content] : a) {
    REQUIRE_MESSAGE(b.contains(name), name);
    CHECK_MESSAGE(b.at(name) == content, name, " differs");
  }
}

}  // namespace signet::test
