// Rungs and files: one of each for the other.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "kernels/ladder/ladder.h"

using namespace signet::cuda::ladder;

TEST_CASE("every rung has its file, every file its rung, and both say what the rung is about") {
  std::set<std::string> names, files;
  const auto add = [&](const auto& rungs) {
    std::string before;
    for (const auto& rung : rungs) {
      const std::string name = rung.name, idea = rung.idea;
      CHECK_MESSAGE(names.insert(name).second, name, " is there twice");
      CHECK_MESSAGE(before < name, name, " is out of order");
      CHECK_MESSAGE((idea.size() > 20 && idea.back() == '.'), name, " has no sentence for an idea");
      before = name;
    }
  };
  add(gemm_rungs());
  add(conv_rungs());
  add(conv_backward_data_rungs());
  add(conv_backward_weight_rungs());
  add(batchnorm_rungs());

  for (const auto& entry : std::filesystem::directory_iterator(SIGNET_SOURCE_DIR "/kernels/ladder")) {
    if (entry.path().extension() != ".cu") continue;
    files.insert(entry.path().stem());
    std::ifstream file(entry.path());
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::string head = text.substr(0, text.find("\n#include"));
    for (const char* part : {"Idea: ", "Limiter: ", "Counted", "Refuses"})
      CHECK_MESSAGE(head.find(part) != head.npos, entry.path().filename(), " has no \"", std::string(part),
                    "\"");
  }
  CHECK(files == names);
}
