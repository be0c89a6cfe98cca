#include "study/metrics.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <stdexcept>

#include "tensor/error.h"
#include "tests/study/fixtures.h"

namespace signet::study {
namespace {

// scikit-learn adds in another order; a few ulp of numbers near 1 are all that may differ.
constexpr double kRounding = 1e-14;

bool near(double value, double expected, double tolerance = kRounding) {
  return std::abs(value - expected) <= tolerance;
}

void check_scores(const ClassScores& scores, const std::vector<std::string>& row) {
  CAPTURE(row[0]);
  CHECK(near(scores.precision, number_from_text(row[1], "fixture")));
  CHECK(near(scores.recall, number_from_text(row[2], "fixture")));
  CHECK(near(scores.f1, number_from_text(row[3], "fixture")));
  CHECK(scores.support == std::stoll(row[4]));
}

void check_fixture(const std::string& name, int64_t classes) {
  const ConfusionMatrix matrix = fixture_matrix(name + "_predictions.csv", classes);
  std::map<std::string, std::vector<std::string>> expected;
  for (const auto& row : read_csv(fixture(name + "_scores.csv")).rows) expected[row[0]] = row;
  for (int64_t k = 0; k < classes; ++k) {
    check_scores(class_scores(matrix, k), expected.at("class " + std::to_string(k)));
  }
  check_scores(average(matrix, Average::macro), expected.at("macro occurring"));
  check_scores(average(matrix, Average::macro, Over::all), expected.at("macro all"));
  check_scores(average(matrix, Average::weighted), expected.at("weighted occurring"));
  check_scores(average(matrix, Average::weighted, Over::all), expected.at("weighted all"));
  check_scores(average(matrix, Average::micro), expected.at("micro occurring"));
  CHECK(near(accuracy(matrix), number_from_text(expected.at("accuracy")[1], "fixture")));
}

TEST_CASE("scores are scikit-learn's, classes without samples or predictions included") {
  check_fixture("gaps", 7);
  check_fixture("asl", 36);
}

TEST_CASE("a confusion matrix counts, adds up and refuses classes it does not have") {
  ConfusionMatrix matrix(3);
  matrix.add(0, 1);
  matrix.add(0, 1);
  matrix.add(2, 2, 5);
  CHECK(matrix.at(0, 1) == 2);
  CHECK(matrix.at(1, 0) == 0);
  CHECK(matrix.support(0) == 2);
  CHECK(matrix.predicted(1) == 2);
  CHECK(matrix.total() == 7);
  CHECK(matrix.correct() == 5);
  CHECK(matrix.occurs(1));
  CHECK_FALSE(ConfusionMatrix(1).occurs(0));

  ConfusionMatrix twice = matrix;
  twice += matrix;
  CHECK(twice.at(2, 2) == 10);
  CHECK_THROWS_AS(twice += ConfusionMatrix(2), std::invalid_argument);
  CHECK_THROWS_AS(matrix.add(3, 0), std::invalid_argument);
  CHECK_THROWS_AS(matrix.add(0, -1), std::invalid_argument);
  CHECK_THROWS_AS(ConfusionMatrix(0), std::invalid_argument);
}

TEST_CASE("logits become losses, predictions and probabilities") {
  const CsvTable table = read_csv(fixture("logits.csv"));
  std::vector<float> logits;
  std::vector<int32_t> labels;
  for (const auto& row : table.rows) {
    for (size_t k = 0; k < 4; ++k) logits.push_back(std::strtof(row[k].c_str(), nullptr));
    labels.push_back(std::stoi(row[4]));
  }

  ScoreAccumulator scored(4);
  double loss_sum = 0;
  double loss_batch_sum = 0;
  for (size_t start = 0; start < labels.size(); start += 3) {
    const size_t rows = std::min<size_t>(3, labels.size() - start);
    scored.add_batch(std::span(logits).subspan(start * 4, rows * 4), std::span(labels).subspan(start, rows));
    double batch = 0;
    for (size_t row = start; row < start + rows; ++row) batch += number_from_text(table.rows[row][7], "loss");
    loss_sum += batch;
    loss_batch_sum += batch / double(rows);
  }

  const Scores scores = scored.scores();
  CHECK(scores.count == 7);
  CHECK(near(scores.loss, loss_sum / 7));
  CHECK(near(scores.loss_batch_sum, loss_batch_sum));
  CHECK_FALSE(near(scores.loss * 3, scores.loss_batch_sum, 1e-3));
  CHECK(scores.accuracy == 1.0 / 7);
  CHECK(scores.f1 == average(scored.confusion(), Average::macro).f1);
  CHECK(scores.precision == average(scored.confusion(), Average::macro).precision);
  CHECK(scores.recall == average(scored.confusion(), Average::macro).recall);
  for (size_t row = 0; row < labels.size(); ++row) {
    CHECK(scored.predictions()[row] == std::stoi(table.rows[row][5]));
    CHECK(near(scored.probabilities()[row], number_from_text(table.rows[row][6], "prob")));
    CHECK(scored.confusion().at(labels[row], scored.predictions()[row]) > 0);
  }
}

TEST_CASE("perfect logits lose nothing and equal ones lose log(classes)") {
  ScoreAccumulator scored(3);
  scored.add_batch(std::vector<float>{200, 0, 0}, std::vector<int32_t>{0});
  CHECK(scored.scores().loss == 0);
  scored.add_batch(std::vector<float>{7, 7, 7}, std::vector<int32_t>{2});
  CHECK(near(scored.scores().loss_batch_sum, std::log(3.0)));
  CHECK(scored.predictions() == std::vector<int32_t>{0, 0});
  CHECK(near(softmax(std::vector<float>{1, 1})[1], 0.5));
}

TEST_CASE("logits that are not finite are an error, and their batch is not counted") {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    ScoreAccumulator scored(2);
    scored.add_batch(std::vector<float>{0, 1}, std::vector<int32_t>{1});
    const Scores before = scored.scores();
    CHECK_THROWS_AS(scored.add_batch(std::vector<float>{0, 1, 2, bad}, std::vector<int32_t>{0, 0}), Error);
    CHECK(scored.scores() == before);
    CHECK(scored.predictions().size() == 1);
    CHECK_THROWS_AS(softmax(std::vector<float>{bad, 0}), Error);
  }
}

TEST_CASE("sizes and labels that do not fit are refused") {
  ScoreAccumulator scored(2);
  CHECK_THROWS_AS(scored.add_batch(std::vector<float>{0, 1, 2}, std::vector<int32_t>{0}),
                  std::invalid_argument);
  CHECK_THROWS_AS(scored.add_batch(std::vector<float>{0, 1}, std::vector<int32_t>{2}), std::invalid_argument);
  CHECK_THROWS_AS(scored.add_batch({}, {}), std::invalid_argument);
  CHECK(scored.scores() == Scores());
  CHECK(std::isnan(scored.scores().accuracy));
}

TEST_CASE("the deviation over folds divides by n - 1") {
  const std::vector<double> folds = {2, 4, 4, 4, 5, 5, 7, 9};
  CHECK(mean(folds) == 5);
  CHECK(near(sample_deviation(folds), std::sqrt(32.0 / 7)));
  CHECK(std::isnan(sample_deviation(std::vector<double>{3})));
  CHECK(std::isnan(mean({})));
}

}  // namespace
}  // namespace signet::study
