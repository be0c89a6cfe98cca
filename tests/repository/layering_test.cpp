// The house rules that a program can check: which folder may include which, how long a file may be, and that
// a third-party library stays behind its one file.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr int kLineCap = 800;

const std::map<std::string, std::set<std::string>>& allowed() {
  static const std::map<std::string, std::set<std::string>> table{
      {"kernels", {"kernels"}},
      {"tensor", {"tensor", "kernels"}},
      {"nn", {"nn", "tensor", "kernels"}},
      {"optim", {"optim", "tensor", "kernels"}},
      {"data", {"data", "tensor", "kernels"}},
      {"models", {"models", "nn", "tensor", "kernels"}},
      {"study", {"study", "models", "nn", "optim", "data", "tensor", "kernels"}},
      {"apps", {"apps", "study", "models", "nn", "optim", "data", "tensor", "kernels"}}};
  return table;
}

/// Which files may include a third-party header, by the header's first folder or name.
const std::map<std::string, std::set<std::string>>& behind() {
  static const std::map<std::string, std::set<std::string>> table{
      {"stb_image.h", {"data/decode.cpp"}},
      {"stb_image_write.h", {"data/encode.cpp"}},
      {"nlohmann",
       {"models/safetensors.cpp", "study/records_json.cpp", "study/checkpoint.cpp", "study/answer_json.cpp",
        "study/typical_json.cpp", "study/conv_table_json.cpp"}},
      {"httplib.h", {"apps/http_server.cpp"}},
      {"torch", {}},
      {"cudnn.h", {}},
      {"cublas_v2.h", {}},
      {"dnnl.hpp", {}},
      {"cblas.h", {}}};
  return table;
}

struct SourceFile {
  std::string path;  ///< from the root
  std::vector<std::string> lines;
};

std::vector<SourceFile> sources() {
  static const std::set<std::string> extensions{".h", ".cpp", ".cu", ".cuh", ".inl"};
  std::vector<SourceFile> files;
  for (const std::string folder :
       {"kernels", "tensor", "nn", "optim", "data", "models", "study", "apps", "bench", "tests"}) {
    const fs::path top = fs::path(SIGNET_SOURCE_DIR) / folder;
    if (!fs::exists(top)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(top)) {
      if (!extensions.contains(entry.path().extension().string())) continue;
      SourceFile file{fs::relative(entry.path(), SIGNET_SOURCE_DIR).generic_string(), {}};
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) file.lines.push_back(line);
      files.push_back(std::move(file));
    }
  }
  return files;
}

/// What is wrong with one include of one file; empty if nothing.
std::string fault_of_include(const std::string& file, const std::string& line) {
  static const std::regex own("^\\s*#\\s*include\\s*\"([^/\"]+)/");
  static const std::regex foreign("^\\s*#\\s*include\\s*<([^/>]+)");
  const std::string folder = file.substr(0, file.find('/'));
  std::smatch match;
  if (std::regex_search(line, match, own)) {
    if (match[1] == "hwy")
      return folder == "kernels" ? "" : fmt::format("{} includes Highway, which is for kernels", file);
    const auto rule = allowed().find(folder);
    if (rule == allowed().end() || rule->second.contains(match[1])) return "";
    return fmt::format("{} includes {}/: arrows only point down", file, match[1].str());
  }
  if (std::regex_search(line, match, foreign)) {
    const auto rule = behind().find(match[1]);
    if (rule == behind().end() || rule->second.contains(file) || folder == "bench" || folder == "tests")
      return "";
    return fmt::format("{} includes <{}>, which has one place of its own", file, match[1].str());
  }
  return "";
}

TEST_CASE("arrows between folders only point down, libraries stay behind their files") {
  const auto files = sources();
  CHECK(files.size() > 100);
  for (const auto& file : files) {
    for (const auto& line : file.lines) CHECK(fault_of_include(file.path, line) == "");
  }
}

TEST_CASE("the check sees what it should") {
  CHECK(fault_of_include("kernels/cpu/gemm.cpp", "#include \"tensor/tensor.h\"") != "");
  CHECK(fault_of_include("data/folds.cpp", "  # include \"models/resnet.h\"") != "");
  CHECK(fault_of_include("apps/val.cpp", "#include <stb_image.h>") != "");
  CHECK(fault_of_include("study/study.cpp", "#include <nlohmann/json.hpp>") != "");
  CHECK(fault_of_include("nn/linear.cpp", "#include \"tensor/launch.h\"") == "");
}

// In a template nvcc 13.0 gives the host's compiler `x = {a, b}` for `x = {.first = a, .third = b}`: without
// the names, b goes to the second member. Initialisers, arguments and returned lists keep them.
TEST_CASE("no list with names is assigned without its type where nvcc compiles") {
  const std::regex assigned(R"((^|[;,{}()])\s*[\w*][\w.\[\]>-]*\s*=\s*\{\s*\.)");
  CHECK(std::regex_search("      conv->out = {.y = dx, .residual = dx};", assigned));
  CHECK(std::regex_search("  conv->x = dy, conv->out = {.y = dx};", assigned));
  CHECK(std::regex_search("  if (add) outs[i] = {.y = dx};", assigned));
  CHECK(std::regex_search("  out = {.y = dx};", assigned));
  CHECK(!std::regex_search("      .out = {.y = dx},", assigned));
  CHECK(!std::regex_search("  const Out out = {.y = dx};", assigned));
  CHECK(!std::regex_search("  conv->out = Out{.y = dx};", assigned));
  for (const auto& file : sources()) {
    if (!file.path.ends_with(".cu") && !file.path.ends_with(".cuh")) continue;
    for (const auto& line : file.lines)
      CHECK_MESSAGE(!std::regex_search(line, assigned), file.path, ": ", line);
  }
}

TEST_CASE("no file is longer than the cap") {
  for (const auto& file : sources()) {
    CHECK_MESSAGE(int(file.lines.size()) <= kLineCap, file.path, " has ", file.lines.size(), " lines");
  }
}

TEST_CASE("nothing is left for later") {
  // Spelt apart so that this file does not find itself.
  const std::regex left(std::string("\\b(TO") + "DO|FIX" + "ME|XX" + "X|HA" + "CK)\\b");
  for (const auto& file : sources()) {
    for (const auto& line : file.lines) CHECK_MESSAGE(!std::regex_search(line, left), file.path, ": ", line);
  }
}

}  // namespace
