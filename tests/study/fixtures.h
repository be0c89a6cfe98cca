#pragma once
// Where the fixtures are, and a folder of one's own to write in.

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>

#include "study/csv.h"
#include "study/metrics.h"

namespace signet::study {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(SIGNET_SOURCE_DIR) / "tests/study/fixtures" / name;
}

/// The confusion matrix of a fixture's true and predicted classes.
inline ConfusionMatrix fixture_matrix(const std::string& name, int64_t classes) {
  ConfusionMatrix matrix(classes);
  for (const auto& row : read_csv(fixture(name)).rows) matrix.add(std::stoll(row[0]), std::stoll(row[1]));
  return matrix;
}

/// A new folder, removed with all that is in it when it goes out of scope.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "signet-study-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path = name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code error;
    std::filesystem::remove_all(path, error);
  }

  std::filesystem::path path;
};

}  // namespace signet::study
