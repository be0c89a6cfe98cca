// Data sets that cannot be trained on: each gets its sentence, and nothing is written.

#include <doctest/doctest.h>

#include "tests/apps/world.h"

namespace signet::test {
namespace {

/// A data set of two classes in a folder of its own, to be spoilt.
struct TwoClasses {
  Folder folder;
  TwoClasses() { copy_classes(folder, {"a", "b"}); }

  static Words train(Words more = {}) {
    Words words{"train", "--data",  "data", "--model",  "mlp", "--epochs",
                "1",     "--folds", "2",    "--output", "run"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

TEST_CASE_FIXTURE(TwoClasses, "no folder, or something else in its place") {
  folder.write("file", "x");
  for (const std::string verb : {"train", "cv", "study"}) {
    Words words{verb, "--data", "nowhere"};
    const Words scratch = verb == "study" ? Words{"--models", "mlp"} : Words{"--model", "mlp"};
    words.insert(words.end(), scratch.begin(), scratch.end());
    check_refused(folder, words, {"nowhere: there is no such folder", "--data"});
    words[2] = "file";
    check_refused(folder, words, {"file: is not a folder"});
  }
  fs::create_directories(folder / "empty");
  check_refused(folder, {"train", "--data", "empty", "--model", "mlp"},
                {"empty: has no class folders", "CLASS"});
}

TEST_CASE_FIXTURE(TwoClasses, "an empty class") {
  fs::create_directories(folder / "data/c");
  check_refused(folder, train(), {"data/c: class without images", "delete the folder"});
}

TEST_CASE_FIXTURE(TwoClasses, "one class") {
  fs::remove_all(folder / "data/b");
  check_refused(folder, train(), {"data: has only one class, 'a'"});
}

TEST_CASE_FIXTURE(TwoClasses, "fewer images than folds") {
  check_refused(folder, {"cv", "--data", "data", "--model", "mlp", "--folds", "7", "--output", "run"},
                {"class 'a' has 6 images, too few for 7 folds", "lower --folds"});
  check_refused(folder, {"cv", "--data", "data", "--model", "mlp", "--folds", "100"},
                {"--folds 100", "12 images"});
}

TEST_CASE_FIXTURE(TwoClasses, "a fold that is not there") {
  check_refused(folder, train({"--val-fold", "2"}), {"--val-fold 2", "from 0 to 1"});
}

TEST_CASE_FIXTURE(TwoClasses,
                  "unreadable images are all named before anything starts, or left out on request") {
  const std::string jpeg_start = "\xFF\xD8\xFF\xE0";
  folder.write("data/a/text.jpg", "this is no picture");
  folder.write("data/a/void.jpg", "");
  folder.write("data/b/cut.jpg", jpeg_start + std::string("\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", 16));
  const Result refused = check_refused(folder, train(),
                                       {"data: 3 of 15 images", "--skip-bad", "a/text.jpg: is not a JPEG",
                                        "a/void.jpg: is an empty", "b/cut.jpg: is cut short"});
  CHECK(count_lines(refused.err) == 4);
  const Result accepted = check_succeeds(folder, train({"--skip-bad"}));
  for (const char* name : {"a/text.jpg", "a/void.jpg", "b/cut.jpg"}) {
    CHECK_MESSAGE(accepted.err.find("left out: " + std::string(name)) != std::string::npos, name);
  }
  CHECK(accepted.out.find("12 images of 2 classes") != std::string::npos);
}

TEST_CASE_FIXTURE(TwoClasses, "a class of which nothing is left without its bad images") {
  fs::remove_all(folder / "data/b");
  folder.write("data/b/text.jpg", "this is no picture");
  check_refused(folder, train({"--skip-bad"}), {"none of the images of class 'b'", "text.jpg"});
}

TEST_CASE_FIXTURE(TwoClasses, "names that do not tell what the split goes by") {
  fs::rename(folder / "data/a/hand1_a_dif_seg_1_cropped.png", folder / "data/a/photo.png");
  check_refused(folder, {"cv", "--data", "data", "--model", "mlp", "--split", "signer", "--output", "run"},
                {"--split signer", "a/photo.png", "--name-pattern", "--split random"});
  check_refused(folder, train({"--name-pattern", "("}), {"--name-pattern: '('", "regular expression"});
  check_refused(folder, train({"--name-pattern", "hand"}), {"--name-pattern: 'hand' has no group"});
  check_refused(folder, train({"--name-pattern", "(?<who>.*)"}), {"--name-pattern", "'who'"});
}

TEST_CASE_FIXTURE(TwoClasses, "a split beside the one that the folders make") {
  fs::create_directories(folder / "parts/train");
  fs::copy(folder / "data", folder / "parts/train", fs::copy_options::recursive);
  fs::rename(folder / "data", folder / "parts/val");
  check_refused(folder, {"cv", "--data", "parts", "--model", "mlp", "--split", "signer"},
                {"parts: has a split of its own", "--split signer"});
  check_succeeds(folder, {"train", "--data", "parts", "--model", "mlp", "--epochs", "1", "--output", "run"});
}

TEST_CASE_FIXTURE(TwoClasses, "data sets are not rendered over something else") {
  check_refused(folder, {"data", "signs", "data"}, {"data: is not empty", "another folder"});
  folder.write("file", "x");
  check_refused(folder, {"data", "handshapes", "file"}, {"file: is a file"});
}

}  // namespace
}  // namespace signet::test
