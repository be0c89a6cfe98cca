#include "study/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <stdexcept>

#include "tensor/error.h"

namespace signet::study {
namespace {

double ratio(double part, double whole) {
  return whole == 0 ? 0 : part / whole;
}

struct RowResult {
  int32_t best = 0;     ///< the place of the greatest logit
  double greatest = 0;  ///< that logit
  double sum = 0;       ///< of exp(logit - greatest), which cannot overflow
};

RowResult reduce_row(std::span<const float> logits) {
  RowResult result;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!std::isfinite(logits[i])) {
      fail("the network's output for class {} is {}: training has diverged; lower the learning rate (--lr)",
           i, logits[i]);
    }
    if (logits[i] > logits[size_t(result.best)]) result.best = int32_t(i);
  }
  result.greatest = logits[size_t(result.best)];
  for (const float logit : logits) result.sum += std::exp(logit - result.greatest);
  return result;
}

bool same(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(int64_t classes) : classes_(classes) {
  if (classes < 1) throw std::invalid_argument("[ConfusionMatrix] needs at least one class");
  counts_.resize(size_t(classes) * size_t(classes));
}

size_t ConfusionMatrix::index(int64_t true_class, int64_t predicted_class) const {
  if (true_class < 0 || true_class >= classes_ || predicted_class < 0 || predicted_class >= classes_) {
    throw std::invalid_argument(fmt::format("[ConfusionMatrix] ({}, {}) does not lie within {} classes",
                                            true_class, predicted_class, classes_));
  }
  return size_t(true_class) * size_t(classes_) + size_t(predicted_class);
}

void ConfusionMatrix::add(int64_t true_class, int64_t predicted_class, int64_t times) {
  counts_[index(true_class, predicted_class)] += times;
}

ConfusionMatrix& ConfusionMatrix::operator+=(const ConfusionMatrix& other) {
  if (other.classes_ != classes_) {
    throw std::invalid_argument(
        fmt::format("[ConfusionMatrix] {} classes cannot be added to {}", other.classes_, classes_));
  }
  std::transform(counts_.begin(), counts_.end(), other.counts_.begin(), counts_.begin(), std::plus<>());
  return *this;
}

int64_t ConfusionMatrix::at(int64_t true_class, int64_t predicted_class) const {
  return counts_[index(true_class, predicted_class)];
}

int64_t ConfusionMatrix::support(int64_t true_class) const {
  const auto row = counts_.begin() + int64_t(index(true_class, 0));
  return std::accumulate(row, row + classes_, int64_t{0});
}

int64_t ConfusionMatrix::predicted(int64_t predicted_class) const {
  int64_t sum = 0;
  for (int64_t row = 0; row < classes_; ++row) sum += at(row, predicted_class);
  return sum;
}

int64_t ConfusionMatrix::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), int64_t{0});
}

int64_t ConfusionMatrix::correct() const {
  int64_t sum = 0;
  for (int64_t k = 0; k < classes_; ++k) sum += at(k, k);
  return sum;
}

double accuracy(const ConfusionMatrix& matrix) {
  return ratio(double(matrix.correct()), double(matrix.total()));
}

ClassScores class_scores(const ConfusionMatrix& matrix, int64_t class_index) {
  const double right = double(matrix.at(class_index, class_index));
  ClassScores scores;
  scores.support = matrix.support(class_index);
  scores.precision = ratio(right, double(matrix.predicted(class_index)));
  scores.recall = ratio(right, double(scores.support));
  // From the counts rather than from the two ratios: one rounding, and 0 exactly where nothing is right.
  scores.f1 = ratio(2 * right, double(matrix.predicted(class_index) + scores.support));
  return scores;
}

ClassScores average(const ConfusionMatrix& matrix, Average kind, Over over) {
  ClassScores sum;
  sum.support = matrix.total();
  if (kind == Average::micro) {
    sum.precision = sum.recall = sum.f1 = accuracy(matrix);
    return sum;
  }
  double weights = 0;
  for (int64_t k = 0; k < matrix.classes(); ++k) {
    if (over == Over::occurring && !matrix.occurs(k)) continue;
    const ClassScores scores = class_scores(matrix, k);
    const double weight = kind == Average::weighted ? double(scores.support) : 1.0;
    sum.precision += weight * scores.precision;
    sum.recall += weight * scores.recall;
    sum.f1 += weight * scores.f1;
    weights += weight;
  }
  sum.precision = ratio(sum.precision, weights);
  sum.recall = ratio(sum.recall, weights);
  sum.f1 = ratio(sum.f1, weights);
  return sum;
}

bool Scores::operator==(const Scores& other) const {
  return same(accuracy, other.accuracy) && same(precision, other.precision) && same(recall, other.recall) &&
         same(f1, other.f1) && same(loss, other.loss) && same(loss_batch_sum, other.loss_batch_sum) &&
         count == other.count;
}

ScoreAccumulator::ScoreAccumulator(int64_t classes) : confusion_(classes) {}

void ScoreAccumulator::add_batch(std::span<const float> logits, std::span<const int32_t> labels) {
  const size_t classes = size_t(confusion_.classes());
  if (labels.empty() || logits.size() != labels.size() * classes) {
    throw std::invalid_argument(fmt::format("[ScoreAccumulator] {} logits do not fit {} labels of {} classes",
                                            logits.size(), labels.size(), classes));
  }
  double batch_sum = 0;
  std::vector<int32_t> batch_predictions;
  std::vector<double> batch_probabilities;
  ConfusionMatrix batch_confusion(confusion_.classes());
  for (size_t row = 0; row < labels.size(); ++row) {
    const std::span<const float> row_logits = logits.subspan(row * classes, classes);
    const RowResult result = reduce_row(row_logits);
    batch_confusion.add(labels[row], result.best);
    batch_sum += result.greatest - row_logits[size_t(labels[row])] + std::log(result.sum);
    batch_predictions.push_back(result.best);
    batch_probabilities.push_back(1 / result.sum);
  }
  confusion_ += batch_confusion;
  loss_sum_ += batch_sum;
  loss_batch_sum_ += batch_sum / double(labels.size());
  predictions_.insert(predictions_.end(), batch_predictions.begin(), batch_predictions.end());
  probabilities_.insert(probabilities_.end(), batch_probabilities.begin(), batch_probabilities.end());
}

Scores ScoreAccumulator::scores() const {
  Scores scores;
  scores.count = confusion_.total();
  if (scores.count == 0) return scores;
  const ClassScores macro = average(confusion_, Average::macro);
  scores.accuracy = accuracy(confusion_);
  scores.precision = macro.precision;
  scores.recall = macro.recall;
  scores.f1 = macro.f1;
  scores.loss = loss_sum_ / double(scores.count);
  scores.loss_batch_sum = loss_batch_sum_;
  return scores;
}

std::vector<double> softmax(std::span<const float> logits) {
  if (logits.empty()) return {};
  const RowResult result = reduce_row(logits);
  std::vector<double> shares;
  for (const float logit : logits) shares.push_back(std::exp(logit - result.greatest) / result.sum);
  return shares;
}

double mean(std::span<const double> values) {
  if (values.empty()) return Scores::kNone;
  return std::accumulate(values.begin(), values.end(), 0.0) / double(values.size());
}

double sample_deviation(std::span<const double> values) {
  if (values.size() < 2) return Scores::kNone;
  const double centre = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - centre) * (value - centre);
  return std::sqrt(squares / double(values.size() - 1));
}

}  // namespace signet::study
