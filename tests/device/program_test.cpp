// The program on --device cuda: whole runs, across devices, and what it says where there is no device or no
// memory.

#include <stdlib.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/flags.h"
#include "kernels/cuda/runtime.h"
#include "nn/precision.h"
#include "tests/apps/world.h"
#include "tests/device/device.h"

namespace signet::test {
namespace {

struct Signs {
  Folder folder;
  Signs() { copy_classes(folder, {"a", "b", "v"}); }

  static Words study(const std::string& output, const std::string& device = "cuda") {
    return {"study",
            "--data",
            "data",
            "--weights",
            narrow_checkpoint().string(),
            "--models",
            "mlp,fc,layer4",
            "--epochs",
            "2",
            "--folds",
            "2",
            "--finetune-epochs",
            "1",
            "--batch-size",
            "5",
            "--device",
            device,
            "--output",
            output};
  }
};

/// The words with some more behind them.
Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// What a checkpoint says of the pictures of two folders: what stands before the probability, and that.
using Answers = std::vector<std::pair<std::string, double>>;

Answers answers(const Folder& folder, const std::string& checkpoint, const Words& flags) {
  const Words words{"predict", checkpoint, "data/a", "data/v", "--format", "csv"};
  std::istringstream lines(check_succeeds(folder, with(words, flags)).out);
  Answers all;
  for (std::string line; std::getline(lines, line);) {
    const size_t comma = line.rfind(',');
    all.emplace_back(line.substr(0, comma), std::atof(line.c_str() + comma + 1));
  }
  REQUIRE(all.size() == 13);
  return all;
}

void check_near(const Answers& actual, const Answers& expected, double tolerance) {
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(actual[i].first == expected[i].first);
    CHECK(std::abs(actual[i].second - expected[i].second) <= tolerance);
  }
}

TEST_CASE_FIXTURE(Signs, "a study on the device: killed and resumed to the same bits, used on both devices") {
  const Result whole = check_succeeds(folder, study("whole"));
  CHECK(whole.out.find("device cuda:0 (") != std::string::npos);
  const auto args = nlohmann::json::parse(folder.read("whole/args.json"));
  CHECK(args.at("device").get<std::string>().starts_with("cuda"));

  int killed = 0;
  for (const char* until : {"killed/resume/mlp.safetensors", "killed/resume/resnet18-fc.safetensors",
                            "killed/resume/resnet18-layer4.safetensors"}) {
    Words words = study("killed");
    if (fs::exists(folder / "killed/args.json")) words.emplace_back("--resume");
    Process process(folder.path(), words);
    while (!fs::exists(folder / until) && process.running()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    process.signal(SIGKILL);
    killed += process.wait().status == 128 + SIGKILL;
  }
  CHECK(killed > 0);
  check_succeeds(folder, with(study("killed"), {"--resume"}));
  const auto results = bits(folder, "whole");
  CHECK(results.contains("weights/resnet18-layer4-best.safetensors"));
  check_same(results, bits(folder, "killed"));

  // Its checkpoints are used on either device, with the same answers: float32 through 18 layers in another
  // order.
  const std::string layer4 = "whole/weights/resnet18-layer4-best.safetensors";
  check_near(answers(folder, layer4, {"--device", "cuda"}), answers(folder, layer4, {"--device", "cpu"}),
             1e-4);
  for (const char* device : {"cpu", "cuda:0"}) {
    const Result val = check_succeeds(
        folder, {"val", "whole/weights/mlp-last.safetensors", "--data", "data", "--device", device});
    CHECK(val.out.find("18 images, accuracy") != std::string::npos);
  }
}

TEST_CASE_FIXTURE(Signs, "the trunk shared by the folds gives the bits of the trunk run for each") {
  const Words words{"cv",       "--data",   "data",    "--weights", narrow_checkpoint().string(),
                    "--epochs", "2",        "--folds", "3",         "--batch-size",
                    "5",        "--device", "cuda",    "--output"};
  check_succeeds(folder, with(words, {"shared"}));
  check_succeeds(folder, with(words, {"alone", "--no-share-trunk"}));
  CHECK(folder.read("shared/predictions.csv") == folder.read("alone/predictions.csv"));
}

TEST_CASE("--precision says how a device keeps activations, and how it multiplies") {
  const auto apply = [](const char* precision) {
    apps::ComputeFlags flags;
    flags.device = "cuda";
    flags.precision = precision;
    flags.apply();
    return std::pair(nn::activation_type(), cuda::matrix_math());
  };
  CHECK(apply("bf16") == std::pair(DType::bf16, cuda::MatrixMath::bf16));
  CHECK(apply("auto") == std::pair(DType::bf16, cuda::MatrixMath::bf16));
  CHECK(apply("tf32") == std::pair(DType::f32, cuda::MatrixMath::tf32));
  CHECK(apply("f32") == std::pair(DType::f32, cuda::MatrixMath::f32));
}

// What --precision bf16 changes: how activations are kept, in memory and on their way to the folds.
TEST_CASE_FIXTURE(Signs, "a run in bfloat16: a shared trunk's bits, weights used on both devices") {
  const Words words{"cv",       "--data",   "data",    "--weights",   narrow_checkpoint().string(),
                    "--epochs", "2",        "--folds", "3",           "--batch-size",
                    "5",        "--device", "cuda",    "--precision", "bf16",
                    "--output"};
  check_succeeds(folder, with(words, {"shared"}));
  check_succeeds(folder, with(words, {"alone", "--no-share-trunk"}));
  CHECK(folder.read("shared/predictions.csv") == folder.read("alone/predictions.csv"));
  check_succeeds(folder, {"finetune", "--data", "data", "--weights", narrow_checkpoint().string(), "--freeze",
                          "none", "--folds", "2", "--epochs", "1", "--batch-size", "6", "--device", "cuda",
                          "--precision", "bf16", "--output", "up"});
  // training_test.cpp: a logit is rounded by 3%. Those of this network lie within 1 of each other, and a
  // probability moves by at most a quarter of that on either side.
  const std::string all = "up/weights/resnet18-all-best.safetensors";
  const Answers expected = answers(folder, all, {"--device", "cpu"});
  check_near(answers(folder, all, {"--device", "cuda", "--precision", "bf16"}), expected, 0.015);
  check_near(answers(folder, all, {"--device", "cuda", "--precision", "f32"}), expected, 1e-4);
}

TEST_CASE_FIXTURE(Signs, "every other verb that computes takes the device, weights crossing both ways") {
  const Words small{"--folds", "2", "--epochs", "1", "--batch-size", "6"};
  check_succeeds(
      folder, with({"cv", "--data", "data", "--model", "cnn", "--device", "cuda", "--output", "cv"}, small));
  check_succeeds(folder, with({"finetune", "--data", "data", "--weights", narrow_checkpoint().string(),
                               "--freeze", "none", "--device", "cuda", "--output", "up"},
                              small));
  const std::string weights = "up/weights/resnet18-all-best.safetensors";
  REQUIRE(fs::exists(folder / weights));
  check_succeeds(folder,
                 with({"finetune", "--data", "data", "--weights", weights, "--output", "down"}, small));
  for (const char* piece : {"infer", "step", "layer4"}) {
    const Result bench = check_succeeds(folder, {"bench", piece, "--batch", "2", "--image-size", "32",
                                                 "--repetitions", "1", "--device", "cuda", "--json"});
    CHECK(nlohmann::json::parse(bench.out).at("img_s").get<double>() > 0);
  }
  check_succeeds(
      folder, {"bench", "data", "--data", "data", "--image-size", "32", "--epochs", "1", "--device", "cuda"});
}

TEST_CASE_FIXTURE(Signs, "another precision is another run") {
  check_succeeds(folder, {"train", "--data", "data", "--model", "cnn", "--folds", "2", "--epochs", "1",
                          "--device", "cuda", "--precision", "tf32", "--output", "run"});
  check_refused(folder,
                {"train", "--data", "data", "--model", "cnn", "--folds", "2", "--epochs", "1", "--device",
                 "cuda", "--precision", "bf16", "--output", "run", "--resume"},
                {"run: was begun with another precision"});
}

/// Sets a variable for the programs started while it lives.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Environment() { ::unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

TEST_CASE_FIXTURE(Signs, "a device that is not there, in one sentence and with nothing written") {
  narrow_checkpoint();
  const int count = cuda::device_count();
  check_refused(folder, study("run", "cuda:7"),
                {count == 1 ? "--device cuda:7: there is 1 CUDA device only" : "--device cuda:7",
                 "use --device cuda:"});
  const Environment real("CUDA_VISIBLE_DEVICES", ""), simulated("SIGNET_SIMT_DEVICES", "0");
  check_refused(folder, study("run"), {"--device cuda: no CUDA device was found; use --device cpu"});
  check_refused(folder, {"bench", "infer", "--device", "cuda:0"}, {"no CUDA device was found"});
  const Result info = check_succeeds(folder, {"info"});
  CHECK(info.out.find("no CUDA device was found") != std::string::npos);
}

TEST_CASE("a simulated device: an old driver, little memory, and never by itself") {
  if (!cuda::device_properties(0).simulated) return;
  const Signs signs;
  const Folder& folder = signs.folder;
  narrow_checkpoint();
  {
    const Environment old("SIGNET_SIMT_DRIVER", "12040");
    check_refused(folder, Signs::study("run"),
                  {"--device cuda: the NVIDIA driver is for CUDA 12.4, and this program needs one for CUDA "
                   "13.0; update the driver, or use --device cpu"});
  }
  {
    const Environment two("SIGNET_SIMT_DEVICES", "2");
    const Result second =
        check_succeeds(folder, {"train", "--data", "data", "--model", "mlp", "--folds", "2", "--epochs", "1",
                                "--device", "cuda:1", "--output", "second"});
    CHECK(second.out.find("device cuda:1 (") != std::string::npos);
  }
  const Result automatic = check_succeeds(folder, {"train", "--data", "data", "--model", "mlp", "--folds",
                                                   "2", "--epochs", "1", "--output", "automatic"});
  CHECK(automatic.out.find("device cpu") != std::string::npos);

  const Environment little("SIGNET_SIMT_MEMORY_MB", "4");
  const Words predict{"predict", narrow_checkpoint().string(), "data/a", "--device", "cuda"};
  check_succeeds(folder, predict);
  const Words large{"train", "--data",   "data", "--model",      "resnet18", "--width", "8", "--image-size",
                    "64",    "--epochs", "1",    "--batch-size", "16",       "--folds", "2", "--device",
                    "cuda",  "--output", "run"};
  const Result result = folder.run(large);
  INFO(result.err);
  CHECK(result.status == 2);
  CHECK(result.err.find("out of memory on cuda:0: ") != std::string::npos);
  CHECK(result.err.find("use a smaller --batch-size or --image-size") != std::string::npos);
  CHECK(result.err.find('\n') == result.err.size() - 1);
  for (const auto& [name, content] : folder.contents()) CHECK_MESSAGE(name.find(".part-") == name.npos, name);
  // Begun where there was too little room, ended where there is enough.
  ::unsetenv("SIGNET_SIMT_MEMORY_MB");
  check_succeeds(folder, with(large, {"--resume"}));
}

}  // namespace
}  // namespace signet::test
