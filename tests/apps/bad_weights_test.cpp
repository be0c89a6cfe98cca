// Weights and checkpoints that do not fit or are damaged.

#include <doctest/doctest.h>

#include "tests/apps/world.h"

namespace signet::test {
namespace {

struct Weights {
  Folder folder;
  Weights() {
    copy_classes(folder, {"a", "b"});
    fs::copy(narrow_checkpoint(), folder / "narrow.safetensors");
  }

  static Words cv(const std::string& weights) {
    return narrow({"cv", "--data", "data", "--model", "resnet18", "--weights", weights, "--output", "run"});
  }
};

TEST_CASE_FIXTURE(Weights, "a file that is not there, a folder, and no checkpoint") {
  folder.write("notes.txt", "weights, as it were");
  folder.write("empty.pth", "");
  check_refused(folder, cv("none.pth"), {"none.pth: there is no such file"});
  check_refused(folder, cv("data"), {"data: is a folder"});
  check_refused(folder, cv("notes.txt"), {"notes.txt: ", "safetensors"});
  check_refused(folder, cv("empty.pth"), {"empty.pth: "});
  const std::string whole = folder.read("narrow.safetensors");
  folder.write("cut.safetensors", whole.substr(0, whole.size() / 2));
  check_refused(folder, cv("cut.safetensors"), {"cut.safetensors: "});
}

TEST_CASE_FIXTURE(Weights, "weights of another architecture or width") {
  check_refused(folder,
                {"cv", "--data", "data", "--model", "resnet34", "--weights", "narrow.safetensors", "--width",
                 "8", "--image-size", "32", "--output", "run"},
                {"narrow.safetensors: ", "of resnet34 are missing", "another architecture"});
  check_refused(folder,
                {"study", "--data", "data", "--models", "fc", "--weights", "narrow.safetensors", "--width",
                 "16", "--output", "run"},
                {"narrow.safetensors: tensor conv1.weight has shape [8, 3, 7, 7]", "[16, 3, 7, 7]"});
}

TEST_CASE_FIXTURE(Weights, "NaN in weights") {
  folder.write("nan.safetensors", with_nan(folder.read("narrow.safetensors"), "layer2.0.conv1.weight"));
  check_refused(folder, cv("nan.safetensors"), {"nan.safetensors: tensor layer2.0.conv1.weight holds nan"});
  check_refused(folder, {"val", "nan.safetensors", "--data", "data"}, {"nan.safetensors: ", "holds nan"});
}

TEST_CASE_FIXTURE(Weights, "a stage that cannot be frozen") {
  Words words = cv("narrow.safetensors");
  words.insert(words.end(), {"--freeze", "layer9"});
  check_refused(folder, words, {"--freeze layer9: resnet18 has no such stage", "layer4"});
  words.back() = "fc";
  check_refused(folder, words, {"--freeze fc", "nothing to train"});
}

TEST_CASE_FIXTURE(Weights, "val and predict want a checkpoint of signet and the classes it knows") {
  check_refused(folder, {"val", "none", "--data", "data"}, {"none: there is no such file"});
  check_refused(folder, {"predict", "data", "data"}, {"data: is a folder"});
  fs::rename(folder / "data/b", folder / "data/z");
  check_refused(folder, {"val", "narrow.safetensors", "--data", "data"},
                {"data: class 'z'", "narrow.safetensors"});
  check_refused(folder, {"predict", "narrow.safetensors", "photo.jpg"}, {"photo.jpg: there is no such file"});
  check_refused(folder, {"predict", "narrow.safetensors", "data", "--top", "3"}, {"--top 3", "2 classes"});
  fs::create_directories(folder / "empty");
  check_refused(folder, {"predict", "narrow.safetensors", "empty"}, {"empty: holds no .jpg"});
}

}  // namespace
}  // namespace signet::test
