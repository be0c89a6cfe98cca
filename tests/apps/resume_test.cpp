// Runs that are stopped, politely or not, and go on to the same bits.

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <random>
#include <sstream>
#include <thread>

#include "tests/apps/world.h"

namespace signet::test {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<size_t> event_file_sizes(const Folder& folder, const std::string& run) {
  std::vector<size_t> sizes;
  for (const auto& [name, content] : folder.contents()) {
    if (name.starts_with(run + "/tensorboard/") && !content.empty()) sizes.push_back(content.size());
  }
  return sizes;
}

Words split_words(const std::string& text) {
  std::istringstream in(text);
  Words words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// Waits until the file is there or the process has ended.
void wait_for(const fs::path& file, Process& process) {
  while (!fs::exists(file) && process.running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

struct Study {
  Folder folder;
  Study() { copy_classes(folder, {"a", "b", "c", "v", "y"}); }
};

TEST_CASE_FIXTURE(Study,
                  "Ctrl-C ends a run with the command that goes on, which ends as if nothing had happened") {
  Words words{"study", "--data",  "data", "--models", "cnn",  "--epochs",
              "16",    "--folds", "2",    "--name",   "mine", "--tensorboard"};
  Process process(folder.path(), words);
  wait_for(folder / "runs/study/mine1/results.csv", process);
  process.signal(SIGINT);
  const Result stopped = process.wait();
  INFO(stopped.err);
  REQUIRE(stopped.status == 130);
  const std::string sentence = "signet: stopped; go on with: signet ";
  const size_t at = stopped.err.find(sentence);
  REQUIRE(at != stopped.err.npos);
  const std::string command = stopped.err.substr(at + sentence.size());
  CHECK(command ==
        "study --data data --models cnn --epochs 16 --folds 2 --tensorboard --output runs/study/mine1 "
        "--resume\n");
  CHECK(!fs::exists(folder / "runs/study/mine1/summary.json"));
  check_succeeds(folder, split_words(command));
  check_succeeds(folder, words);
  check_same(bits(folder, "runs/study/mine1"), bits(folder, "runs/study/mine2"));
  // An event file of training is a start of 40 bytes and 92 for each epoch, one of validation has 70 for
  // each.
  const std::vector<size_t> once{40 + 16 * 92, 40 + 16 * 70, 40 + 16 * 92, 40 + 16 * 70};
  CHECK(event_file_sizes(folder, "runs/study/mine1") == once);
  CHECK(event_file_sizes(folder, "runs/study/mine2") == once);
}

TEST_CASE_FIXTURE(Study, "a run killed at random moments goes on to the same bits") {
  const auto words = [&](const std::string& output, bool resume) {
    Words all{"study",
              "--data",
              "data",
              "--weights",
              narrow_checkpoint().string(),
              "--models",
              "mlp,cnn,fc,layer4",
              "--epochs",
              "3",
              "--folds",
              "2",
              "--finetune-epochs",
              "2",
              "--finetune-patience",
              "2",
              "--output",
              output};
    if (resume) all.emplace_back("--resume");
    return all;
  };
  const auto start = Clock::now();
  check_succeeds(folder, words("whole", false));
  const double whole_seconds = seconds_since(start);

  std::mt19937 random(7);
  std::uniform_real_distribution<double> share(0, 1);
  int killed = 0;
  for (int i = 0; i < 8; ++i) {
    Process process(folder.path(), words("killed", fs::exists(folder / "killed/args.json")));
    if (i % 2 == 0) wait_for(folder / "killed/results.csv", process);
    std::this_thread::sleep_for(std::chrono::duration<double>(share(random) * whole_seconds));
    process.signal(SIGKILL);
    killed += process.wait().status == 128 + SIGKILL;
  }
  CHECK(killed > 0);
  check_succeeds(folder, words("killed", true));
  check_same(bits(folder, "whole"), bits(folder, "killed"));
}

}  // namespace
}  // namespace signet::test
