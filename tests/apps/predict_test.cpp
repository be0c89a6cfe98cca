// predict and export as a user meets them.

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/apps/program.h"
#include "tests/apps/world.h"

namespace signet::test {
namespace {

using Json = nlohmann::json;

constexpr const char* kImage = "data/a/hand1_a_dif_seg_1_cropped.png";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

/// Runs the program with a file as its standard input.
Result run_with_input(const Folder& folder, const Words& words, const std::string& input) {
  const std::string path = (folder / input).string();
  return Process(folder.path(), words, [path] { return std::freopen(path.c_str(), "rb", stdin) != nullptr; })
      .wait();
}

TEST_CASE("predict names classes for files and folders, and an unreadable file does not stop it") {
  const Folder folder;
  copy_classes(folder, {"a", "b"});
  const std::string checkpoint = narrow_checkpoint().string();
  const Result one = check_succeeds(folder, {"predict", checkpoint, kImage});
  CHECK(count_lines(one.out) == 1);
  CHECK(one.out.starts_with(std::string(kImage) + "  "));
  CHECK(contains(one.out, "%"));
  const Result two = check_succeeds(folder, {"predict", checkpoint, kImage, "data/b", "--top", "2"});
  CHECK(count_lines(two.out) == 7);
  CHECK(contains(first_line(two.out), " a "));
  CHECK(contains(first_line(two.out), " b "));
  folder.write("data/b/aaa.jpg", "this is no picture");
  const std::string sentence =
      "data/b/aaa.jpg: is not a JPEG or PNG image, whatever its name says; convert or delete it";
  const Result csv = folder.run({"predict", checkpoint, "data", "--format", "csv"});
  CHECK(csv.status == 2);
  CHECK(csv.err == "signet: " + sentence + "\n");
  CHECK(first_line(csv.out) == "path,rank,class,probability");
  CHECK(count_lines(csv.out) == 13);
  // In batches of 5 the same lines come in the same order.
  CHECK(folder.run({"predict", checkpoint, "data", "--format", "csv", "-b", "5"}).out == csv.out);

  const Result lines = folder.run({"predict", checkpoint, "data", "--format", "jsonl", "--top", "2"});
  CHECK(lines.status == 2);
  std::istringstream text(lines.out);
  int answers = 0, refusals = 0;
  for (std::string line; std::getline(text, line);) {
    const Json json = Json::parse(line);
    if (json.contains("error")) {
      CHECK(json.at("path") == "data/b/aaa.jpg");
      CHECK(json.at("error") == sentence);
      ++refusals;
    } else {
      ++answers;
      CHECK(json.at("predictions").size() == 2);
      const double sum = json.at("predictions")[0].at("probability").get<double>() +
                         json.at("predictions")[1].at("probability").get<double>();
      CHECK(sum == doctest::Approx(1));
    }
  }
  CHECK(answers == 12);
  CHECK(refusals == 1);
}

TEST_CASE("predict reads an image, or the names of images, from standard input") {
  const Folder folder;
  copy_classes(folder, {"a", "b"});
  const std::string checkpoint = narrow_checkpoint().string();
  const Result named = check_succeeds(folder, {"predict", checkpoint, kImage, "--top", "2"});
  const Result piped = run_with_input(folder, {"predict", checkpoint, "-", "--top", "2"}, kImage);
  CHECK(piped.status == 0);
  CHECK(piped.out == "-" + named.out.substr(std::string(kImage).size()));
  folder.write("names.txt", std::string(kImage) + "\r\n\ndata/b\n");
  for (const std::string from : {"-", "names.txt"}) {
    const Result listed = run_with_input(folder, {"predict", checkpoint, "--files-from", from}, "names.txt");
    CHECK(listed.status == 0);
    CHECK(count_lines(listed.out) == 7);
  }
  folder.write("text.jpg", "no picture");
  CHECK(run_with_input(folder, {"predict", checkpoint, "-"}, "text.jpg").err ==
        "signet: standard input: is not a JPEG or PNG image, whatever its name says; convert or delete it\n");
  check_refused(folder, {"predict", checkpoint}, {"needs images", "--files-from"});
  check_refused(folder, {"predict", checkpoint, "-", "--files-from", "-"}, {"once only"});
  check_refused(folder, {"predict", checkpoint, kImage, "--format", "xml"}, {"--format", "jsonl"});
  check_refused(folder, {"predict", checkpoint, kImage, "--top", "3"}, {"--top 3", "2 classes"});
}

TEST_CASE("predict --gradcam writes a picture an image, each under its own name") {
  const Folder folder;
  copy_classes(folder, {"a"});
  folder.write("other/a/hand1_a_dif_seg_1_cropped.png", folder.read(kImage));
  const Result result = check_succeeds(folder, {"predict", narrow_checkpoint().string(), kImage, "other",
                                                "--gradcam", "cams", "--format", "jsonl"});
  std::istringstream text(result.out);
  std::set<std::string> written;
  for (std::string line; std::getline(text, line);) {
    const std::string path = Json::parse(line).at("gradcam");
    CHECK(folder.read(path).starts_with("\x89PNG"));
    written.insert(path);
  }
  CHECK(written.size() == 2);
}

TEST_CASE("a network without convolutions has no Grad-CAM, and says so") {
  const Folder folder;
  copy_classes(folder, {"a", "b"});
  check_succeeds(folder, {"train", "--data", "data", "--model", "mlp", "--epochs", "1", "--folds", "2",
                          "--output", "run"});
  check_refused(folder, {"predict", "run/weights/mlp-last.safetensors", kImage, "--gradcam", "cams"},
                {"--gradcam", "mlp has no convolutions"});
}

TEST_CASE("what export writes is read back by predict and val") {
  const Folder folder;
  copy_classes(folder, {"a", "b"});
  fs::copy_file(narrow_checkpoint(), folder / "best.safetensors");
  const Result original = check_succeeds(folder, {"predict", "best.safetensors", "data", "--format", "csv"});
  CHECK(contains(check_succeeds(folder, {"export", "best.safetensors"}).out, "best.onnx: images float32"));
  CHECK(fs::file_size(folder / "best.onnx") > 600'000);
  CHECK(
      contains(check_succeeds(folder, {"export", "best.safetensors", "--with-preprocessing"}).out, "uint8"));

  check_succeeds(folder, {"export", "best.safetensors", "--format", "pth"});
  CHECK(check_succeeds(folder, {"predict", "best.pth", "data", "--format", "csv"}).out == original.out);
  CHECK(contains(check_succeeds(folder, {"val", "best.pth", "--data", "data"}).out, "12 images, accuracy "));

  for (const Words& how : {Words{"--precision", "bf16"}, Words{"--batchnorm", "fold"}}) {
    Words words{"export", "best.safetensors", "--output", "other.safetensors"};
    words.insert(words.end(), how.begin(), how.end());
    check_succeeds(folder, words);
    const Result other = check_succeeds(folder, {"predict", "other.safetensors", "data", "--format", "csv"});
    CHECK(count_lines(other.out) == count_lines(original.out));
    check_succeeds(folder, {"val", "other.safetensors", "--data", "data"});
  }
  CHECK(fs::file_size(folder / "other.safetensors") < 2 * fs::file_size(folder / "best.pth"));
  // What was exported is exported again.
  check_succeeds(folder, {"export", "other.safetensors", "--output", "again.pth"});
  CHECK(count_lines(check_succeeds(folder, {"predict", "again.pth", "data"}).out) == 12);
}

TEST_CASE("export refuses what would have no effect or do harm") {
  const Folder folder;
  fs::copy_file(narrow_checkpoint(), folder / "best.safetensors");
  check_refused(folder, {"export", "best.safetensors", "--output", "best.safetensors"},
                {"is the checkpoint itself"});
  check_refused(folder, {"export", "best.safetensors", "--output", "best.txt"},
                {"--output best.txt", ".onnx"});
  check_refused(folder, {"export", "best.safetensors", "--format", "pth", "--with-preprocessing"},
                {"--with-preprocessing", "onnx"});
  check_refused(folder, {"export", "best.safetensors", "--precision", "bf16"},
                {"--precision bf16", "safetensors"});
  check_refused(folder, {"export", "best.safetensors", "--format", "pth", "--batchnorm", "fold"},
                {"--batchnorm fold", "load_state_dict"});
  check_refused(folder, {"export", "missing.safetensors"}, {"missing.safetensors"});
}

}  // namespace
}  // namespace signet::test
