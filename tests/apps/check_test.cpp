// signet data check as a user meets it.

#include <doctest/doctest.h>
#include <unistd.h>

#include "tests/apps/world.h"

namespace signet::test {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

TEST_CASE("data check names a file in the wrong class and numbers its folders") {
  const Folder folder;
  copy_classes(folder, {"a", "b", "c"});
  fs::copy_file(folder / "data/a/hand1_a_dif_seg_1_cropped.png", folder / "data/b/astray.png");
  const auto first = check_succeeds(folder, {"data", "check", "data"});
  CHECK(contains(first.out, "b/astray.png: b, or a?"));
  CHECK(contains(first.out, "duplicates: 1 files repeat another one"));
  CHECK(contains(first.out, "written to runs/check/check1"));
  CHECK(folder.read("runs/check/check1/suspect_labels.csv").starts_with("path,label,suggested,score\n"));
  CHECK(contains(folder.read("runs/check/check1/check.html"), "<!DOCTYPE html>"));
  const auto second =
      check_succeeds(folder, {"data", "check", "data", "--weights", narrow_checkpoint().string()});
  CHECK(contains(second.out, "compared by layer3 of "));
  CHECK(contains(second.out, "written to runs/check/check2"));
}

TEST_CASE("data check refuses what it cannot look at or write to") {
  const Folder folder;
  copy_classes(folder, {"a", "b"});
  fs::create_directories(folder / "empty");
  check_refused(folder, {"data", "check", "nowhere"}, {"nowhere: there is no such folder"});
  check_refused(folder, {"data", "check", "empty"}, {"empty: has no class folders"});
  check_refused(folder, {"data", "check", "data", "--output", "data"}, {"data: is not empty", "--output"});
  check_refused(folder, {"data", "check", "data", "--weights", "none.pth"}, {"none.pth"});
  if (::geteuid() == 0) return;  // to whom every folder can be written
  fs::create_directories(folder / "locked");
  fs::permissions(folder / "locked", fs::perms::owner_read | fs::perms::owner_exec);
  check_refused(folder, {"data", "check", "data", "--output", "locked/run"},
                {"locked", "cannot be written in"});
}

}  // namespace
}  // namespace signet::test
