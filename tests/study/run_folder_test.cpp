#include "study/run_folder.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <set>
#include <thread>

#include "study/csv.h"
#include "tensor/error.h"
#include "tensor/files.h"
#include "tests/study/fixtures.h"

namespace signet::study {
namespace {

namespace fs = std::filesystem;

TEST_CASE("runs are numbered upwards") {
  const ScratchFolder scratch;
  CHECK(RunFolder::numbered(scratch.path, "study", "asl").path() == scratch.path / "study/asl1");
  CHECK(RunFolder::numbered(scratch.path, "study", "asl").path() == scratch.path / "study/asl2");
  fs::create_directory(scratch.path / "study/asl7");
  fs::create_directory(scratch.path / "study/asl99-kept");
  fs::create_directory(scratch.path / "study/asleep100");
  CHECK(RunFolder::numbered(scratch.path, "study", "asl").path() == scratch.path / "study/asl8");
  CHECK(RunFolder::numbered(scratch.path, "cv", "asl").path() == scratch.path / "cv/asl1");
  CHECK(RunFolder::numbered(scratch.path, "cv", "resnet18").path() == scratch.path / "cv/resnet18-1");
}

TEST_CASE("runs started at the same time get folders of their own") {
  const ScratchFolder scratch;
  constexpr int kThreads = 8;
  constexpr int kRuns = 25;
  std::vector<std::vector<std::string>> made(kThreads);
  std::vector<std::thread> threads;
  for (auto& mine : made) {
    threads.emplace_back([&mine, &scratch] {
      for (int i = 0; i < kRuns; ++i) {
        mine.push_back(RunFolder::numbered(scratch.path, "cv", "run").path().string());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> different;
  for (const auto& mine : made) different.insert(mine.begin(), mine.end());
  CHECK(different.size() == kThreads * kRuns);
  for (const std::string& path : different) CHECK(fs::is_directory(path));
}

TEST_CASE("a run's name is a plain folder name") {
  const ScratchFolder scratch;
  for (const std::string name : {"", ".", "..", "a/b", "/"}) {
    CHECK_THROWS_AS(RunFolder::numbered(scratch.path, "cv", name), Error);
  }
}

TEST_CASE("a folder that was named is made, or used if it is empty") {
  const ScratchFolder scratch;
  const fs::path path = scratch.path / "deep/er/run";
  CHECK(RunFolder::named(path, false).path() == path);
  CHECK(fs::is_directory(path));
  CHECK(RunFolder::named(path, false).path() == path);

  write_atomically(path / "note.txt", "mine");
  CHECK_THROWS_WITH_AS(RunFolder::named(path, false), doctest::Contains("not empty"), Error);
  CHECK_THROWS_WITH_AS(RunFolder::named(path, true), doctest::Contains("no run to resume"), Error);
  RunFolder::named(scratch.path / "other", false).write_args({{"seed", 1}});
  CHECK(RunFolder::named(scratch.path / "other", true).path() == scratch.path / "other");
  CHECK_THROWS_AS(RunFolder::named(scratch.path / "absent", true), Error);
  CHECK_FALSE(fs::exists(scratch.path / "absent"));
}

TEST_CASE("places that cannot be written in are errors with the path and a remedy") {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "file";
  write_atomically(file, "x");
  CHECK_THROWS_WITH_AS(RunFolder::named(file, false), doctest::Contains("is a file"), Error);
  CHECK_THROWS_WITH_AS(RunFolder::named(file / "below", false), doctest::Contains("--output"), Error);
  CHECK_THROWS_WITH_AS(RunFolder::numbered(file, "cv", "run"), doctest::Contains(file.c_str()), Error);
  if (::geteuid() != 0) {
    const fs::path locked = scratch.path / "locked";
    fs::create_directory(locked);
    fs::permissions(locked, fs::perms::owner_read | fs::perms::owner_exec);
    CHECK_THROWS_WITH_AS(RunFolder::named(locked, false), doctest::Contains("cannot be written"), Error);
    CHECK_THROWS_WITH_AS(RunFolder::named(locked / "run", false), doctest::Contains("denied"), Error);
    CHECK_THROWS_AS(RunFolder::numbered(locked, "cv", "run"), Error);
    fs::permissions(locked, fs::perms::owner_all);
  }
}

EpochRecord some_epoch() {
  EpochRecord record;
  record.model = "mlp";
  record.phase = "scratch";
  record.fold = 1;
  record.epoch = 2;
  record.lr = 0.002;
  record.train = {0.25, 0.1, 0.2, 0.3, 3.5, 7, 10};
  record.validation = {0.5, 0.6, 0.7, 0.65, 2.5, 5, 4};
  record.seconds = 1.5;
  record.images_per_second = 100;
  return record;
}

TEST_CASE("the tables have the columns that their readers look for") {
  const ScratchFolder scratch;
  const RunFolder run = RunFolder::named(scratch.path / "run", false);

  EpochRecord before = some_epoch();
  before.epoch = 0;
  before.train = Scores();
  run.write_results(std::vector<EpochRecord>{before, some_epoch()});
  CHECK(read_file(run.file("results.csv")) ==
        "model,phase,fold,epoch,lr,train_loss,train_acc,val_loss,val_acc,val_precision,val_recall,val_f1,"
        "seconds,img_s\n"
        "mlp,scratch,1,0,0.002,,,2.5,0.5,0.6,0.7,0.65,1.5,100\n"
        "mlp,scratch,1,2,0.002,3.5,0.25,2.5,0.5,0.6,0.7,0.65,1.5,100\n");

  const std::vector<std::string> classes = {"a", "b,c"};
  const std::vector<Prediction> predictions = {{"mlp", "scratch", 0, "x.jpg", 0, 1, 0.75}};
  run.write_predictions(predictions, classes);
  CHECK(read_file(run.file("predictions.csv")) ==
        "model,phase,fold,path,true,pred,prob\nmlp,scratch,0,x.jpg,a,\"b,c\",0.75\n");
  const std::vector<Prediction> beyond = {{"mlp", "scratch", 0, "x.jpg", 0, 2, 0.75}};
  CHECK_THROWS_AS(run.write_predictions(beyond, classes), std::invalid_argument);

  const std::vector<SplitRow> splits = {{"a/1.jpg", "a", "hand1", "left", 0}, {"b/2.jpg", "b,c", "", "", 4}};
  run.write_splits(splits);
  CHECK(run.read_splits() == splits);
  const std::vector<SplitRow> only_trained = {{"a/1.jpg", "a", "", "", -1}};
  run.write_splits(only_trained);
  CHECK(run.read_splits() == only_trained);
  write_atomically(run.file("splits.csv"), "path,label,signer,light,fold\nx,a,,,\n");
  CHECK_THROWS_AS(run.read_splits(), Error);
}

TEST_CASE("tables and summary are read back") {
  const ScratchFolder scratch;
  const RunFolder run = RunFolder::named(scratch.path / "run", false);
  EpochRecord before = some_epoch();
  before.epoch = 0;
  before.train = Scores();
  run.write_results(std::vector<EpochRecord>{before, some_epoch()});
  const auto epochs = run.read_results();
  REQUIRE(epochs.size() == 2);
  CHECK(epochs[0].epoch == 0);
  CHECK(std::isnan(epochs[0].train.loss));
  EpochRecord expected = some_epoch();
  // What results.csv does not hold.
  expected.train.precision = expected.train.recall = expected.train.f1 = Scores::kNone;
  for (Scores* scores : {&expected.train, &expected.validation}) {
    scores->loss_batch_sum = Scores::kNone;
    scores->count = 0;
  }
  CHECK(epochs[1] == expected);

  const std::vector<std::string> classes = {"a", "b,c"};
  const std::vector<Prediction> predictions = {{"mlp", "scratch", 0, "x.jpg", 0, 1, 0.75}};
  run.write_predictions(predictions, classes);
  CHECK(run.read_predictions(classes) == predictions);
  CHECK_THROWS_WITH_AS(run.read_predictions(std::vector<std::string>{"a"}), doctest::Contains("b,c"), Error);

  StudySummary summary{
      .split = "signer", .models = {}, .seconds = 1.5, .peak_rss_mb = 20, .near_twin_share = 0.25};
  ModelSummary model;
  model.model = "mlp";
  model.val_acc = 0.1;
  model.val_acc_folds = {0.1};
  model.f1 = 0.3;
  model.train_loss_batch_sum = 7;
  summary.models = {model};
  run.write_summary(summary);
  // Written again it is the same text, so nothing was lost.
  const std::string text = read_file(run.file("summary.json"));
  run.write_summary(run.read_summary());
  CHECK(read_file(run.file("summary.json")) == text);
  CHECK(std::isnan(run.read_summary().models.at(0).val_acc_sd));

  CHECK_FALSE(run.read_record("mlp"));
  CHECK_THROWS_WITH_AS(RunFolder::existing(scratch.path / "run"), doctest::Contains("no run"), Error);
  run.write_args({{"seed", 1}});
  CHECK(RunFolder::existing(scratch.path / "run").path() == run.path());
}

TEST_CASE("a model's files and the options are written and read back") {
  const ScratchFolder scratch;
  const RunFolder run = RunFolder::named(scratch.path / "run", false);
  ModelResult result;
  result.model = "mlp";
  result.epochs = {some_epoch()};
  result.outcomes = {{"scratch", 1, 2, 2, false}};
  result.predictions = {{"mlp", "scratch", 0, "x.jpg", 0, 1, 0.75}, {"mlp", "scratch", 0, "y.jpg", 1, 1, 1}};
  const std::vector<std::string> classes = {"a", "b"};
  run.write_model(result, classes, result.epochs, result.outcomes);
  CHECK(read_file(run.file("confusion_mlp.csv")) == "true,a,b\na,0,1\nb,0,1\n");
  CHECK(read_file(run.file("classification_report_mlp.txt")).starts_with("              precision"));
  CHECK(read_file(run.file("confusion_mlp.svg")).starts_with("<svg "));
  CHECK(read_file(run.file("curves_mlp.svg")).starts_with("<svg "));

  const Args args = {{"seed", 42}, {"device", "cpu"}};
  run.write_args(args);
  CHECK(run.read_args() == args);
  run.write_summary(StudySummary{.split = "signer", .models = {summarise(result)}});
  CHECK(read_file(run.file("summary.json")).find("\"mlp\"") != std::string::npos);
  CHECK(run.weights("mlp", "best") == run.path() / "weights/mlp-best.safetensors");
}

}  // namespace
}  // namespace signet::study
