// Places that cannot be written, and disks that fill up on the way.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/apps/world.h"

namespace signet::test {
namespace {

struct Output {
  Folder folder;
  Output() { copy_classes(folder, {"a", "b"}); }

  static Words train(const std::string& output) {
    return {"train", "--data", "data", "--model", "mlp", "--epochs", "1", "--folds", "2", "--output", output};
  }
};

TEST_CASE_FIXTURE(Output, "an output folder that cannot be made or is in use") {
  folder.write("file", "x");
  folder.write("full/note.txt", "mine");
  check_refused(folder, train("file"), {"file: is a file", "--output"});
  check_refused(folder, train("file/run"), {"file/run: cannot be made", "is a file", "--output"});
  check_refused(folder, train("full"), {"full: is not empty", "--output", "--resume"});
  if (::geteuid() != 0) {
    fs::create_directories(folder / "locked");
    fs::permissions(folder / "locked", fs::perms::owner_read | fs::perms::owner_exec);
    check_refused(folder, train("locked/run"), {"locked/run: cannot be written", "denied", "--output"});
  }
  Words words = train("full");
  words.emplace_back("--resume");
  check_refused(folder, words, {"full: holds no run to resume"});
  check_refused(folder, {"train", "--data", "data", "--model", "mlp", "--name", "a/b"},
                {"\"a/b\" cannot name a run"});
}

TEST_CASE_FIXTURE(Output, "a run is resumed with the options and images that it was begun with") {
  check_succeeds(folder, train("run"));
  Words words = train("run");
  words.emplace_back("--resume");
  words[6] = "2";
  check_refused(folder, words, {"run: was begun with another mlp.epochs", "args.json"});
  words[6] = "1";
  fs::copy_file(folder / "data/a/hand1_a_dif_seg_1_cropped.png",
                folder / "data/b/hand9_b_dif_seg_1_cropped.png");
  check_refused(folder, words, {"run: was begun with another data set"});
}

TEST_CASE_FIXTURE(Output, "what a killed run left half-written does not stand in the way") {
  folder.write("run/args.json.part-a1B2c3", "{");
  check_succeeds(folder, train("run"));
  CHECK(!fs::exists(folder / "run/args.json.part-a1B2c3"));
  folder.write("run/weights/mlp-last.safetensors.part-a1B2c3", "x");
  folder.write("run/apart-ment.txt", "mine");
  Words words = train("run");
  words.emplace_back("--resume");
  check_succeeds(folder, words);
  CHECK(!fs::exists(folder / "run/weights/mlp-last.safetensors.part-a1B2c3"));
  CHECK(fs::exists(folder / "run/apart-ment.txt"));
}

TEST_CASE_FIXTURE(Output,
                  "a file that may not grow further ends the run with its name, and the run can go on") {
  const auto with_limit = [&] {
    const rlimit limit{64 << 10, 64 << 10};
    return ::setrlimit(RLIMIT_FSIZE, &limit) == 0;
  };
  Process process(folder.path(), train("run"), with_limit);
  const Result result = process.wait();
  INFO(result.err);
  CHECK(result.status == 2);
  CHECK(result.err.starts_with("signet: run/"));
  CHECK(result.err.find("cannot be written: File too large; free some space") != std::string::npos);
  CHECK(count_lines(result.err) <= 2);
  for (const auto& [name, content] : folder.contents()) CHECK_MESSAGE(name.find(".part-") == name.npos, name);
  Words words = train("run");
  words.emplace_back("--resume");
  check_succeeds(folder, words);
  CHECK(fs::exists(folder / "run/summary.json"));
}

TEST_CASE_FIXTURE(Output, "a full disk") {
  fs::create_directories(folder / "small");
  const auto target = folder / "small";
  const auto on_a_small_disk = [&] {
    if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("none", target.c_str(), "tmpfs", 0, "size=64k") == 0;
  };
  Process process(folder.path(), train("small/run"), on_a_small_disk);
  const Result result = process.wait();
  if (result.status == Process::kNotPrepared) {
    fmt::print("skipped: a full disk: no small file system can be mounted here\n");
    return;
  }
  INFO(result.err);
  CHECK(result.status == 2);
  CHECK(result.err.find("signet: small/run/") != std::string::npos);
  CHECK(result.err.find("cannot be written: No space left on device; free some space") != std::string::npos);
}

TEST_CASE_FIXTURE(Output, "standard output that takes nothing") {
  const auto full = [] {
    const int device = ::open("/dev/full", O_WRONLY);
    return device >= 0 && ::dup2(device, STDOUT_FILENO) >= 0;
  };
  Process process(folder.path(), {"info"}, full);
  const Result result = process.wait();
  if (result.status == Process::kNotPrepared) {
    fmt::print("skipped: standard output that takes nothing: there is no /dev/full here\n");
    return;
  }
  CHECK(result.status == 2);
  CHECK(result.err == "signet: standard output cannot be written: No space left on device\n");
}

}  // namespace
}  // namespace signet::test
