// Runs that succeed: what they print and what they leave.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/apps/world.h"

namespace signet::test {
namespace {

using Json = nlohmann::json;

void check_plain(const std::string& text) {
  for (const char c : text) {
    const bool control = (uint8_t(c) < 0x20 && c != '\n') || c == 0x7F;
    CHECK_MESSAGE(!control, "control character ", int(c), " in: ", text);
    if (control) return;
  }
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

TEST_CASE("a study writes its whole folder, prints the table last, and no control characters") {
  const Folder folder;
  const Result result = check_succeeds(folder, {"study", "--data", signs().string(), "--models", "mlp,cnn",
                                                "--epochs", "1", "--folds", "2", "--split", "random,signer"});
  check_plain(result.out);
  check_plain(result.err);
  CHECK(first_line(result.out).starts_with("signet "));
  CHECK(contains(result.out, "216 images of 36 classes"));
  CHECK(contains(result.out, "have a near-twin in training"));
  CHECK(contains(result.out, "1 epoch, adam 0.002, batch 32"));
  for (const char* column : {"Train acc %", "Val acc %", "Precision", "Train loss"}) {
    CHECK_MESSAGE(contains(result.out, column), column);
  }
  CHECK(result.out.ends_with("written to runs/study/study1\n"));
  for (const std::string run : {"runs/study/study1/", "runs/study/study1/signer/"}) {
    std::vector<std::string> files{"args.json", "splits.csv", "results.csv", "predictions.csv",
                                   "summary.json"};
    for (const std::string model : {"mlp", "cnn"}) {
      for (const auto& name :
           {"confusion_" + model + ".csv", "confusion_" + model + ".svg", "curves_" + model + ".svg",
            "classification_report_" + model + ".txt", "weights/" + model + "-best.safetensors",
            "weights/" + model + "-last.safetensors"}) {
        files.push_back(name);
      }
    }
    for (const auto& name : files) CHECK_MESSAGE(!folder.read(run + name).empty(), name);
    CHECK(first_line(folder.read(run + "splits.csv")) == "path,label,signer,light,fold");
    CHECK(first_line(folder.read(run + "results.csv")) ==
          "model,phase,fold,epoch,lr,train_loss,train_acc,val_loss,val_acc,val_precision,val_recall,val_f1,"
          "seconds,"
          "img_s");
    CHECK(first_line(folder.read(run + "predictions.csv")) == "model,phase,fold,path,true,pred,prob");
    CHECK(count_lines(folder.read(run + "predictions.csv")) == 1 + 2 * 216);
    const Json summary = Json::parse(folder.read(run + "summary.json"));
    for (const char* key : {"split", "models", "seconds", "peak_rss_mb", "near_twin_share"}) {
      CHECK_MESSAGE(summary.contains(key), key);
    }
    CHECK(summary.at("models").size() == 2);
    for (const auto& [name, model] : summary.at("models").items()) {
      for (const char* key : {"val_acc", "val_acc_sd", "val_acc_folds", "train_acc", "precision", "recall",
                              "f1", "val_loss", "train_loss", "val_loss_batch_sum", "train_loss_batch_sum"}) {
        CHECK_MESSAGE(model.contains(key), name, " lacks ", key);
      }
    }
  }
  const Json args = Json::parse(folder.read("runs/study/study1/args.json"));
  for (const char* key : {"version", "processor", "seed", "weights_sha256", "dataset_hash", "mlp.lr"}) {
    CHECK_MESSAGE(args.contains(key), key);
  }
  const Json signer = Json::parse(folder.read("runs/study/study1/signer/summary.json"));
  CHECK(signer.at("models").at("mlp").at("val_acc_folds").size() == 3);
}

TEST_CASE("report writes the page of a run again, and says what it misses") {
  const Folder folder;
  copy_classes(folder, {"a", "b", "v"});
  check_succeeds(
      folder, {"cv", "--data", "data", "--model", "mlp", "--epochs", "2", "--folds", "2", "--output", "run"});
  const std::string page = folder.read("run/report.html");
  CHECK(contains(page, "mlp, random split"));
  CHECK(contains(page, "data:image/jpeg;base64,"));
  fs::remove(folder / "run/report.html");
  const Result again = check_succeeds(folder, {"report", "run"});
  CHECK(again.out == "written to run/report.html\n");
  // Not a digit differs, whether the figures come from memory or from the files.
  CHECK((folder.read("run/report.html") == page));

  fs::rename(folder / "data", folder / "moved");
  const Result without = check_succeeds(folder, {"report", "run"});
  CHECK(without.out.starts_with("The page has no pictures: data: there is no such folder"));
  CHECK(contains(folder.read("run/report.html"), "The page has no pictures"));
  CHECK_FALSE(contains(folder.read("run/report.html"), "image/jpeg"));
  check_succeeds(folder, {"report", "run", "--data", "moved"});
  CHECK(contains(folder.read("run/report.html"), "image/jpeg"));
  CHECK_FALSE(contains(folder.read("run/report.html"), "their hash is another"));
  fs::remove(folder / "moved/a/hand1_a_dif_seg_1_cropped.png");
  check_succeeds(folder, {"report", "run", "--data", "moved"});
  CHECK(contains(folder.read("run/report.html"), "their hash is another"));
}

TEST_CASE("report refuses what is no run") {
  const Folder folder;
  fs::create_directory(folder / "empty");
  check_refused(folder, {"report", "empty"}, {"empty", "holds no run"});
  check_refused(folder, {"report", "absent"}, {"absent", "holds no run"});
  check_refused(folder, {"report"}, {"signet report needs run"});
}

TEST_CASE("inspect writes its page and answers questions") {
  const Folder folder;
  copy_classes(folder, {"a", "b", "v"});
  check_succeeds(folder, narrow({"cv", "--data", "data", "--weights", narrow_checkpoint().string(),
                                 "--freeze", "layer3", "--output", "run"}));
  CHECK(check_succeeds(folder, {"inspect", "run"}).out == "written to run/inspect.html\n");
  CHECK(contains(folder.read("run/inspect.html"), "signet inspect run --what-if flip"));
  const Result answer = check_succeeds(folder, {"inspect", "run", "--what-if", "flip"});
  CHECK(contains(answer.out, "trained with flips, used on mirror images"));
  CHECK(contains(answer.out, "the page shows it after: signet inspect run\n"));
  check_succeeds(folder, {"inspect", "run"});
  CHECK_FALSE(contains(folder.read("run/inspect.html"), "signet inspect run --what-if flip"));
  CHECK(contains(folder.read("run/inspect.html"), "signet inspect run --what-if bgr"));

  fs::rename(folder / "data", folder / "moved");
  check_refused(folder, {"inspect", "run"}, {"data: there is no such folder", "--data"});
  check_succeeds(folder, {"inspect", "run", "--data", "moved"});
  check_refused(folder, {"inspect", "run", "--what-if", "rain"}, {"rain", "bgr"});
}

TEST_CASE("inspect looks at networks without convolutions and without a past") {
  const Folder folder;
  copy_classes(folder, {"a", "b", "v"});
  check_succeeds(
      folder, {"cv", "--data", "data", "--model", "mlp", "--epochs", "2", "--folds", "2", "--output", "run"});
  check_succeeds(folder, {"inspect", "run"});
  const std::string page = folder.read("run/inspect.html");
  CHECK(contains(page, "mlp stands alone here"));
  CHECK(contains(page, "reads no colours"));
  check_refused(folder, {"inspect", "run", "--what-if", "flip"}, {"mlp was trained from scratch", "--model"});
  check_refused(folder, {"inspect", "run", "--model", "cnn"}, {"--model cnn", "mlp"});
  check_refused(folder, {"inspect", "moved"}, {"moved", "holds no run"});
}

TEST_CASE("--dry-run says what would be done and writes nothing") {
  const Folder folder;
  const Result result = check_succeeds(folder, {"study", "--data", signs().string(), "--models", "mlp,cnn",
                                                "--split", "random,signer", "--output", "run", "--dry-run"});
  CHECK(contains(result.out, "split random: 5 folds"));
  CHECK(contains(result.out, "split signer: 3 folds"));
  CHECK(result.out.ends_with("dry run: nothing was trained or written\n"));
  CHECK(folder.contents().empty());
}

TEST_CASE("train, cv, finetune and val on a narrow ResNet18") {
  const Folder folder;
  copy_classes(folder, {"a", "b"});
  fs::copy(narrow_checkpoint(), folder / "narrow.safetensors");
  const Result cv = check_succeeds(
      folder, narrow({"cv", "--data", "data", "--weights", "narrow.safetensors", "--output", "cv"}));
  CHECK(contains(cv.out, "narrow.safetensors: "));
  CHECK(contains(cv.out, "resnet18-fc"));
  const Json crossed = Json::parse(folder.read("cv/summary.json"));
  CHECK(crossed.at("models").at("resnet18-fc").at("val_acc_folds").size() == 2);

  // The form of the network is the checkpoint's, without a flag.
  const Result tuned = check_succeeds(folder, {"finetune", "--data", "data", "--weights",
                                               "narrow.safetensors", "--folds", "2", "--epochs", "1"});
  CHECK(tuned.out.ends_with("written to runs/finetune/finetune1\n"));
  const std::string results = folder.read("runs/finetune/finetune1/results.csv");
  CHECK(contains(results, "resnet18-layer4,layer4,0,0,"));
  CHECK(contains(results, "resnet18-layer4,layer4,0,1,"));
  const Json args = Json::parse(folder.read("runs/finetune/finetune1/args.json"));
  CHECK(args.at("resnet18-layer4.width") == 8);
  CHECK(args.at("resnet18-layer4.image_size") == 32);

  const std::string best = "runs/finetune/finetune1/weights/resnet18-layer4-best.safetensors";
  const Result val = check_succeeds(folder, {"val", best, "--data", "data"});
  CHECK(contains(val.out, "macro avg"));
  CHECK(contains(val.out, "12 images, accuracy "));
  check_plain(val.out + val.err);
}

TEST_CASE("finetune goes on from a network trained from scratch as well") {
  const Folder folder;
  copy_classes(folder, {"a", "b"});
  check_succeeds(folder, {"train", "--data", "data", "--model", "mlp", "--epochs", "2", "--folds", "2",
                          "--output", "first"});
  check_succeeds(folder, {"finetune", "--data", "data", "--weights", "first/weights/mlp-last.safetensors",
                          "--folds", "2", "--epochs", "1", "--output", "second"});
  CHECK(contains(folder.read("second/results.csv"), "mlp-all,all,0,0,"));
}

TEST_CASE("a head for other classes is replaced, even one of the same size") {
  const Folder folder;
  copy_classes(folder, {"a", "c"});
  const Words same{"finetune", "--data", "data",     "--weights", narrow_checkpoint().string(),
                   "--folds",  "2",      "--epochs", "1",         "--dry-run"};
  const Result other = check_succeeds(folder, same);
  CHECK(contains(other.out, "its head is for other classes (a, …) and is replaced by a new one"));
  CHECK(contains(other.out, "missing fc.weight, fc.bias"));
  const Folder again;
  copy_classes(again, {"a", "b"});
  CHECK_FALSE(contains(check_succeeds(again, same).out, "other classes"));
}

TEST_CASE("bench prints one JSON line") {
  const Folder folder;
  for (const std::string what : {"infer", "step", "layer4"}) {
    const Result result = check_succeeds(folder, {"bench", what, "--batch", "2", "--image-size", "32",
                                                  "--repetitions", "1", "--threads", "1", "--json"});
    REQUIRE(count_lines(result.out) == 1);
    const Json line = Json::parse(result.out);
    CHECK(line.at("what") == what);
    CHECK(line.at("batch") == 2);
    CHECK(line.at("threads") == 1);
    CHECK(line.at("img_s").get<double>() > 0);
    CHECK(line.at("peak_rss_mb").get<double>() > 1);
  }
}

TEST_CASE("bench compares threads with one") {
  const Folder folder;
  const Words words{"bench", "infer",         "--batch", "2",        "--image-size",
                    "32",    "--repetitions", "3",       "--scaling"};
  const auto with = [&](Words more) {
    more.insert(more.begin(), words.begin(), words.end());
    return check_succeeds(folder, more).out;
  };
  const Json line = Json::parse(with({"--threads", "3", "--json"}));
  CHECK(line.at("threads") == 3);
  CHECK(line.at("over_one_thread").get<double>() > 0);
  CHECK(contains(with({"--threads", "2"}), "times as fast as one), peak memory"));
}

TEST_CASE("bench trains as many small networks as are asked for") {
  const Folder folder;
  copy_classes(folder, {"a", "b"});
  const Result result = check_succeeds(folder, {"bench", "scratch", "--data", "data", "--epochs", "1",
                                                "--folds", "3", "--threads", "2", "--json"});
  REQUIRE(count_lines(result.out) == 2);
  const Json line = Json::parse(result.out.substr(0, result.out.find('\n')));
  constexpr double kImages = 2 * 3 * 2;
  CHECK(line.at("img_s").get<double>() * line.at("s").get<double>() ==
        doctest::Approx(3 * kImages).epsilon(0.01));
}

}  // namespace
}  // namespace signet::test
