#include "data/dataset.h"

#include <algorithm>

#include "tests/data/fixtures.h"

using namespace signet::data;
namespace fs = std::filesystem;

namespace {

std::string refusal(const fs::path& root) {
  return error_of([&] { scan_dataset(root); });
}

std::vector<std::string> paths(const Dataset& dataset) {
  std::vector<std::string> result;
  for (const auto& sample : dataset.samples) result.push_back(sample.path);
  return result;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("class folders are sorted by byte, files within them too") {
  const TemporaryFolder folder;
  for (const char* name : {"b/2.png", "b/10.JPG", "a/x.jpeg", "Z/1.PnG", "10/a.png", "9/a.png",
                           "a/.hidden.png", ".git/x.png", "__MACOSX/b/x.png", "a/notes.txt", "readme.md"}) {
    folder.write(name, "x");
  }
  const auto dataset = scan_dataset(folder.path());
  CHECK(dataset.classes == Names{"10", "9", "Z", "a", "b"});
  CHECK(paths(dataset) == Names{"10/a.png", "9/a.png", "Z/1.PnG", "a/x.jpeg", "b/10.JPG", "b/2.png"});
  CHECK(dataset.samples[4].label == 4);
  CHECK(dataset.ignored == Names{"a/notes.txt"});
  CHECK(class_counts(dataset) == std::vector<int64_t>{1, 1, 1, 1, 2});
  CHECK_FALSE(dataset.predefined_split);
  CHECK(dataset.root == folder.path());
}

TEST_CASE("names tell signer, light and take") {
  const TemporaryFolder folder;
  folder.write("a/hand10_a_bot_seg_1_cropped.jpeg", "x");
  folder.write("a/hand9_a_top_seg_3_cropped.jpeg", "x");
  folder.write("b/other.png", "x");
  const auto dataset = scan_dataset(folder.path());
  CHECK(dataset.samples[0].signer == "10");
  CHECK(dataset.samples[1].light == "top");
  CHECK(dataset.samples[1].take == "3");
  CHECK(dataset.samples[2].signer.empty());
  CHECK(signers(dataset) == Names{"9", "10"});
  CHECK(scan_dataset(folder.path(), NamePattern("^(other)")).samples[2].signer == "other");
}

TEST_CASE("the doubled folder of Kaggle's archive counts once") {
  const TemporaryFolder folder;
  for (const char* level : {"", "asl_dataset/"}) {
    for (const char* name : {"a/1.png", "b/1.png", "c/1.png"}) {
      folder.write("asl_dataset/" + std::string(level) + name, "x");
    }
  }
  for (const fs::path& root : {folder.path() / "asl_dataset", folder.path()}) {
    const auto dataset = scan_dataset(root);
    CHECK(dataset.classes == Names{"a", "b", "c"});
    CHECK(paths(dataset) == Names{"a/1.png", "b/1.png", "c/1.png"});
    CHECK(dataset.root == folder.path() / "asl_dataset");
    CHECK(dataset.nested_copy == "asl_dataset");
  }
  fs::remove_all(folder.path() / "asl_dataset" / "b");
  CHECK(contains(refusal(folder.path()), "asl_dataset: holds class folders of its own ('a' and others)"));
}

TEST_CASE("one folder around the class folders is stepped into") {
  const TemporaryFolder folder;
  folder.write("archive/asl/a/1.png", "x");
  folder.write("archive/asl/b/1.png", "x");
  CHECK(scan_dataset(folder.path()).root == folder.path() / "archive" / "asl");
}

TEST_CASE("classes may be subdivided, and reached through links") {
  const TemporaryFolder folder, elsewhere;
  for (const char* name : {"1/1/a.png", "1/2/b.png", "2/1/a.png", "2/2/b.png"}) folder.write(name, "x");
  elsewhere.write("pictures/c.png", "x");
  fs::create_directory_symlink(elsewhere.path() / "pictures", folder.path() / "3");
  fs::create_symlink(elsewhere.path() / "pictures" / "c.png", folder.path() / "2" / "d.png");
  const auto dataset = scan_dataset(folder.path());
  CHECK(paths(dataset) == Names{"1/1/a.png", "1/2/b.png", "2/1/a.png", "2/2/b.png", "2/d.png", "3/c.png"});

  fs::remove(folder.path() / "2" / "d.png");
  fs::remove(folder.path() / "3");  // now the subdivisions are named as the classes are
  CHECK(scan_dataset(folder.path()).classes == Names{"1", "2"});

  fs::create_directory_symlink(folder.path() / "1", folder.path() / "1" / "again");
  CHECK(contains(refusal(folder.path()), "folders deep"));
}

TEST_CASE("train and val make a predefined split") {
  for (const char* val : {"val", "valid", "validation"}) {
    const TemporaryFolder folder;
    for (const char* name : {"train/a/1.png", "train/a/2.png", "train/b/1.png", "test/c/1.png"}) {
      folder.write(name, "x");
    }
    folder.write(std::string(val) + "/b/9.png", "x");
    const auto dataset = scan_dataset(folder.path());
    CHECK(dataset.predefined_split);
    CHECK(dataset.classes == Names{"a", "b"});
    REQUIRE(dataset.size() == 4);
    CHECK(dataset.samples[0].part == Part::train);
    const auto held_out = [](const Sample& sample) { return sample.part == Part::val; };
    CHECK(std::count_if(dataset.samples.begin(), dataset.samples.end(), held_out) == 1);
    CHECK(std::find_if(dataset.samples.begin(), dataset.samples.end(), held_out)->path ==
          std::string(val) + "/b/9.png");

    folder.write(std::string(val) + "/new/1.png", "x");
    CHECK(contains(refusal(folder.path()), "class 'new' has images to validate on but none in train"));
  }
  const TemporaryFolder folder;
  for (const char* name : {"train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png"}) {
    folder.write(name, "x");
  }
  CHECK(contains(refusal(folder.path()), "holds train but no val"));
}

TEST_CASE("every unusable folder is refused with path, reason and remedy") {
  const TemporaryFolder folder;
  const auto root = folder.path() / "set";
  CHECK(contains(refusal(root), root.string() + ": there is no such folder"));
  folder.write("file", "x");
  CHECK(contains(refusal(folder.path() / "file"), "is not a folder"));
  fs::create_directories(root);
  CHECK(contains(refusal(root), "has no class folders; lay it out as"));
  folder.write("set/a/1.png", "x");
  CHECK(contains(refusal(root), "only one class, 'a'"));
  folder.write("deep/a/b/1.png", "x");
  CHECK(contains(refusal(folder.path() / "deep"), "only one class, 'a'"));
  fs::create_directories(root / "b");
  CHECK(contains(refusal(root), (root / "b").string() + ": class without images; add some"));
  folder.write("set/b/1.webp", "x");
  CHECK(contains(refusal(root), "e.g. 'b/1.webp'"));
  folder.write("set/b/1.png", "x");
  CHECK_NOTHROW(scan_dataset(root));
  folder.write("set/stray.jpg", "x");
  CHECK(contains(refusal(root), (root / "stray.jpg").string() + ": image lies outside any class folder"));
}

TEST_CASE("a folder linked into itself ends") {
  const TemporaryFolder folder;
  fs::create_directory_symlink(folder.path(), folder.path() / "loop");
  CHECK_FALSE(refusal(folder.path()).empty());
}
