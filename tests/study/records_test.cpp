#include "study/records.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tensor/error.h"

namespace signet::study {
namespace {

Scores odd_scores() {
  return {.accuracy = 1.0 / 3,
          .precision = std::nextafter(1.0, 0.0),
          .recall = -0.0,
          .f1 = std::numeric_limits<double>::denorm_min(),
          .loss = std::numeric_limits<double>::infinity(),
          .loss_batch_sum = 31.4586,
          .count = 2012};
}

EpochRecord odd_epoch() {
  return {.model = "resnet18-fc",
          .phase = "fc",
          .fold = 4,
          .epoch = 10,
          .lr = 0.002,
          .train = Scores(),
          .validation = odd_scores(),
          .seconds = 12.345678901234567,
          .images_per_second = -std::numeric_limits<double>::infinity(),
          .tensors = {{"layer4.1.bn2.running_var", 0.1 + 0.2, 1e-300, 0, 12.345678901234567, 3e-5}}};
}

Prediction odd_prediction() {
  return {"cnn", "scratch", 2, "a/ü \"x\"\\\n.jpg", 35, 0, 0.1 + 0.2};
}

ModelResult odd_result() {
  ModelResult result;
  result.model = "resnet18-layer4";
  result.epochs = {odd_epoch(), EpochRecord()};
  result.outcomes = {{"layer4", 1, 0, 3, true}, {"layer4", 2, 5, 5, false}};
  result.folds = {{0, odd_scores(), Scores()}};
  result.predictions = {odd_prediction()};
  result.seconds = 1e-9;
  return result;
}

TEST_CASE("records come back from JSON to the same bits") {
  CHECK(scores_from_json(to_json(odd_scores()), "t") == odd_scores());
  CHECK(std::signbit(scores_from_json(to_json(odd_scores()), "t").recall));
  CHECK(scores_from_json(to_json(Scores()), "t") == Scores());
  CHECK(epoch_record_from_json(to_json(odd_epoch()), "t") == odd_epoch());
  CHECK(prediction_from_json(to_json(odd_prediction()), "t") == odd_prediction());
  CHECK(model_result_from_json(to_json(odd_result()), "t") == odd_result());
  CHECK(model_result_from_json(to_json(ModelResult()), "t") == ModelResult());
}

TEST_CASE("random doubles come back from JSON to the same bits") {
  uint64_t state = 7;
  for (int i = 0; i < 2000; ++i) {
    Scores scores;
    for (double* figure : {&scores.accuracy, &scores.loss, &scores.f1}) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      *figure = std::bit_cast<double>(state);
    }
    CHECK(scores_from_json(to_json(scores), "t") == scores);
  }
}

TEST_CASE("scores that differ in one figure are not equal") {
  for (double Scores::*figure : {&Scores::accuracy, &Scores::precision, &Scores::recall, &Scores::f1,
                                 &Scores::loss, &Scores::loss_batch_sum}) {
    Scores changed;
    changed.*figure = 0;
    CHECK_FALSE(changed == Scores());
  }
}

TEST_CASE("what is no record is an error that names its source") {
  CHECK_THROWS_WITH_AS(scores_from_json("{", "run/x.json"), doctest::Contains("run/x.json"), Error);
  CHECK_THROWS_AS(scores_from_json("{}", "t"), Error);
  CHECK_THROWS_AS(scores_from_json("[1]", "t"), Error);
  std::string text = to_json(odd_scores());
  text.replace(text.find("\"inf\""), 5, "\"imf\"");
  CHECK_THROWS_AS(scores_from_json(text, "t"), Error);
  const std::string whole = to_json(odd_result());
  for (size_t length = 0; length < whole.size() - 2; length += 97) {
    CHECK_THROWS_AS(model_result_from_json(whole.substr(0, length), "t"), Error);
  }
}

TEST_CASE("names that are not UTF-8 are an error") {
  Prediction prediction = odd_prediction();
  prediction.path = "a/\xFF.jpg";
  CHECK_THROWS_AS(to_json(prediction), Error);
}

TEST_CASE("options keep their order and their types") {
  const Args args = {{"verb", "study"},     {"deterministic", true},
                     {"epochs", 10},        {"seed", uint64_t{18446744073709551615u}},
                     {"lr", 2.0},           {"classes", std::vector<std::string>{"0", "a"}},
                     {"alpha", int64_t{-1}}};
  CHECK(args_from_json(to_json(args), "t") == args);
  CHECK_THROWS_AS(args_from_json("[]", "t"), Error);
  CHECK_THROWS_AS(args_from_json("{\"a\":{\"b\":1}}", "t"), Error);
}

TEST_CASE("a summary takes the means over the folds") {
  ModelResult result;
  result.model = "mlp";
  for (int fold = 0; fold < 3; ++fold) {
    Scores validation;
    validation.accuracy = 0.8 + 0.1 * fold;
    validation.loss = fold;
    validation.loss_batch_sum = 10 * fold;
    Scores training;
    training.accuracy = 0.5;
    training.loss = 2;
    training.loss_batch_sum = 30;
    result.folds.push_back({fold, training, validation});
  }
  const ModelSummary summary = summarise(result);
  CHECK(summary.model == "mlp");
  CHECK(summary.val_acc == doctest::Approx(0.9).epsilon(1e-12));
  CHECK(summary.val_acc_sd == doctest::Approx(0.1).epsilon(1e-12));
  CHECK(summary.val_acc_folds.size() == 3);
  CHECK(summary.train_acc == 0.5);
  CHECK(summary.val_loss == 1);
  CHECK(summary.val_loss_batch_sum == 10);
  CHECK(summary.train_loss == 2);
  CHECK(summary.train_loss_batch_sum == 30);
  CHECK(std::isnan(summary.f1));
  CHECK(std::isnan(summarise(ModelResult()).val_acc));
}

TEST_CASE("summary.json has the keys that its readers look for, in order") {
  ModelSummary model;
  model.model = "resnet18-fc";
  model.val_acc = 0.946;
  model.val_acc_folds = {0.946};
  StudySummary summary{
      .split = "random", .models = {model}, .seconds = 1.5, .peak_rss_mb = 800, .near_twin_share = 0.25};
  CHECK(to_json(summary) == R"({
  "split": "random",
  "models": {
    "resnet18-fc": {
      "val_acc": 0.946,
      "val_acc_sd": null,
      "val_acc_folds": [
        0.946
      ],
      "train_acc": null,
      "precision": null,
      "recall": null,
      "f1": null,
      "val_loss": null,
      "train_loss": null,
      "val_loss_batch_sum": null,
      "train_loss_batch_sum": null
    }
  },
  "seconds": 1.5,
  "peak_rss_mb": 800.0,
  "near_twin_share": 0.25
}
)");
}

TEST_CASE("the pooled matrix counts predictions, rows being the true class") {
  const ConfusionMatrix matrix = confusion_of(std::vector<Prediction>{odd_prediction()}, 36);
  CHECK(matrix.at(35, 0) == 1);
  CHECK(matrix.total() == 1);
}

}  // namespace
}  // namespace signet::study
