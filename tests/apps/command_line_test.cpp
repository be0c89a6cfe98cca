// What the program says about itself, and about a command line that it cannot follow.

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>

#include "tests/apps/world.h"

namespace signet::test {
namespace {

const std::vector<Words> kVerbs{{},
                                {"study"},
                                {"cv"},
                                {"train"},
                                {"finetune"},
                                {"val"},
                                {"predict"},
                                {"data"},
                                {"data", "check"},
                                {"data", "signs"},
                                {"data", "handshapes"},
                                {"bench"},
                                {"info"},
                                {"completion"},
                                {"man"}};

TEST_CASE("--version answers at once") {
  const Folder folder;
  constexpr double kAtOnce = 0.020;
  double fastest = 1;
  // On a busy machine a single run may have to wait for a processor.
  for (int i = 0; i < 100 && fastest >= kAtOnce; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const Result result = folder.run({"--version"});
    fastest =
        std::min(fastest, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    CHECK(result.status == 0);
    CHECK(result.out.starts_with("signet "));
    CHECK(count_lines(result.out) == 1);
    CHECK(result.err.empty());
  }
  CHECK(fastest < kAtOnce);
}

TEST_CASE("the help of every verb shows an example") {
  const Folder folder;
  for (const auto& verb : kVerbs) {
    Words words = verb;
    words.emplace_back("--help");
    const Result result = check_succeeds(folder, words);
    INFO(result.out);
    CHECK(result.out.find("Usage: signet") != std::string::npos);
    CHECK(result.out.find("Example:\n  signet ") != std::string::npos);
    CHECK(result.err.empty());
  }
}

TEST_CASE("info names version, processor, threads and devices") {
  const Folder folder;
  const Result result = check_succeeds(folder, {"info"});
  for (const char* line : {"signet ", "processor ", "threads ", "devices "}) {
    CHECK_MESSAGE(result.out.find(line) != std::string::npos, line);
  }
}

TEST_CASE("what is unknown is named, with what may have been meant") {
  const Folder folder;
  check_refused(folder, {}, {"say what to do", "study, cv, train", "--help"});
  check_refused(folder, {"stduy"}, {"unknown verb 'stduy'", "did you mean study?"});
  check_refused(folder, {"data", "sings", "x"}, {"unknown verb 'sings'", "did you mean signs?"});
  check_refused(folder, {"study", "--data", "x", "--epoch", "3"},
                {"unknown flag --epoch;", "did you mean --epochs?", "signet study --help"});
  check_refused(folder, {"train", "--data", "x", "--flip-lr=0.5"}, {"unknown flag --flip-lr;", "--fliplr"});
  check_refused(folder, {"train", "--data", "x", "extra"}, {"unexpected word 'extra'"});
  check_refused(folder, {"study", "--data", "x", "--models", "mlp,rnn"},
                {"--models: 'rnn' is unknown; use mlp, cnn, fc, layer4 or layer3"});
  check_refused(folder, {"train", "--data", "x", "--model", "resnet19"},
                {"--model: 'resnet19' is unknown", "did you mean resnet18?"});
  check_refused(folder, {"cv", "--data", "x", "--split", "signers"}, {"--split: 'signers'", "mean signer?"});
  check_refused(folder, {"cv", "--data", "x", "--opt", "adamax"}, {"--opt: 'adamax'", "adam, adamw or sgd"});
  check_refused(folder, {"cv", "--data", "x", "--lr-scheduler", "cosin"}, {"--lr-scheduler", "mean cosine?"});
  check_refused(folder, {"cv", "--data", "x", "--bn", "eval"}, {"--bn: 'eval'", "frozen or train"});
  check_refused(folder, {"cv", "--data", "x", "--device", "gpu"}, {"--device gpu: unknown", "cpu"});
  // Without a device, whatever the build and the machine.
  ::setenv("CUDA_VISIBLE_DEVICES", "", 1);
  ::setenv("SIGNET_SIMT_DEVICES", "0", 1);
  check_refused(folder, {"cv", "--data", "x", "--device", "cuda"}, {"--device cuda: ", "use --device cpu"});
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  ::unsetenv("SIGNET_SIMT_DEVICES");
  check_refused(folder, {"cv", "--data", "x", "--precision", "tf32"}, {"--precision tf32", "CUDA"});
  check_refused(folder, {"bench", "inference"}, {"'inference' is unknown", "infer, step, layer4"});
  check_refused(folder, {"study", "--data", "x", "--models", "mlp", "--finetune-folds", "two"},
                {"--finetune-folds two", "best, all"});
}

TEST_CASE("what is missing is named") {
  const Folder folder;
  check_refused(folder, {"study"}, {"signet study needs --data", "signet study --help"});
  check_refused(folder, {"predict"}, {"signet predict needs checkpoint"});
  check_refused(folder, {"data"}, {"say what to do: check, signs or handshapes"});
  check_refused(folder, {"train", "--data"}, {"--data needs a value"});
  check_refused(folder, {"train", "--data", "x", "--epochs", "1", "--epochs", "2"},
                {"--epochs is given twice"});
  check_refused(folder, {"train", "--data", "x", "--resume"}, {"--resume", "--output FOLDER"});
  check_refused(folder, {"study", "--data", "x"}, {"resnet18-fc", "--weights", "--models mlp,cnn"});
  check_refused(folder, {"study", "--data", "x", "--models", "layer4"}, {"--models", "fc"});
  check_refused(folder, {"finetune", "--data", "x"}, {"finetune", "--weights"});
  check_refused(folder, {"bench", "data"}, {"bench data", "--data"});
  check_refused(folder, {"bench", "infer", "--folds", "2"}, {"only scratch", "--folds"});
  check_refused(folder, {"bench", "layers", "--scaling"}, {"only infer, step and layer4", "--scaling"});
  check_refused(folder, {"bench", "infer", "--scaling", "--device", "reference"},
                {"counts the CPU's threads", "--device"});
  check_refused(folder, {"bench", "infer", "--scaling", "--threads", "1"},
                {"several threads with one", "--threads"});
}

TEST_CASE("a number out of its range is refused before anything else happens") {
  const Folder folder;
  const auto refused = [&](const std::string& flag, const std::string& value, const std::string& reason) {
    check_refused(folder, {"train", "--data", "x", flag, value}, {flag + ": ", reason});
    check_refused(folder, {"train", "--data", "x", flag + "=" + value}, {flag + ": ", reason});
  };
  refused("--threads", "0", "must be at least 1, not 0");
  refused("--threads", "-2", "must be at least 1, not -2");
  refused("--threads", "many", "'many' is not a whole number");
  refused("--threads", "1000000", "must be at most");
  refused("--folds", "1", "must be at least 2, not 1");
  refused("--batch-size", "0", "must be at least 1, not 0");
  refused("--epochs", "0", "must be at least 1, not 0");
  refused("--epochs", "x", "'x' is not a whole number");
  refused("--epochs", "1.5", "'1.5' is not a whole number");
  refused("--epochs", "99999999999999999999999", "must be at most");
  refused("--seed", "-1", "must be at least 0, not -1");
  refused("--lr", "0", "must be a number above 0, not 0");
  refused("--lr", "nan", "must be a number above 0, not nan");
  refused("--lr", "inf", "not inf");
  refused("--lr", "fast", "'fast' is not a number");
  refused("--fliplr", "2", "must be between 0 and 1, not 2");
  refused("--degrees", "-15", "must be between 0 and 180, not -15");
  refused("--translate", "1.5", "must be between 0 and 1");
  refused("--scale", "1", "must be from 0 to below 1, not 1");
  refused("--brightness", "nan", "not nan");
  refused("--weight-decay", "-1", "must be 0 or more, not -1");
  refused("--momentum", "1", "must be from 0 to below 1");
  refused("--label-smoothing", "1", "must be from 0 to below 1");
  refused("--clip-grad", "-1", "must be 0 or more");
  refused("--patience", "-1", "must be at least 0");
  refused("--val-fold", "-1", "must be at least 0");
  refused("--image-size", "-4", "must be at least 0");
  refused("--width", "0", "must be at least 1");
  refused("--cache-mb", "-1", "must be at least 0");
  check_refused(folder, {"bench", "infer", "--batch", "0"}, {"--batch: must be at least 1"});
  check_refused(folder, {"data", "signs", "x", "--signers", "0"}, {"--signers: must be at least 1"});
  check_refused(folder, {"predict", "a", "b", "--top", "0"}, {"--top: must be at least 1"});
}

TEST_CASE("flags that contradict one another are refused") {
  const Folder folder;
  const auto refused = [&](Words words, const std::vector<std::string>& fragments) {
    words.insert(words.begin(), {"train", "--data", "x", "--model", "mlp"});
    check_refused(folder, words, fragments);
  };
  refused({"--no-augment", "--degrees", "10"}, {"--degrees", "--no-augment"});
  refused({"--output", "y", "--name", "z"}, {"--name z", "--output y"});
  refused({"--split", "signer", "--folds", "4"}, {"--folds 4", "--split signer"});
  refused({"--freeze", "layer4"}, {"--freeze layer4", "--weights"});
  refused({"--width", "8"}, {"--width 8", "mlp"});
  refused({"--nesterov"}, {"--nesterov", "--opt sgd"});
  refused({"--momentum", "0.8", "--opt", "adamw"}, {"--momentum", "adamw"});
  refused({"--bn", "train"}, {"--bn train", "--freeze"});
}

}  // namespace
}  // namespace signet::test
