#pragma once
// What a classifier's outputs are worth: confusion matrix, accuracy, precision, recall, F1 and cross-entropy.
//
// Definitions are scikit-learn's (sklearn.metrics, user guide section 3.4 "Classification metrics") with
// zero_division=0: a ratio whose denominator is 0 counts as 0. Shares lie in 0..1, losses are in nats.

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace signet::study {

/// Counts of (true class, predicted class); rows are the true class. Class indices count from 0; an index out
/// of range throws std::invalid_argument.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(int64_t classes);

  int64_t classes() const { return classes_; }
  void add(int64_t true_class, int64_t predicted_class, int64_t times = 1);
  ConfusionMatrix& operator+=(const ConfusionMatrix& other);

  int64_t at(int64_t true_class, int64_t predicted_class) const;
  /// How many samples have this true class (the row's sum).
  int64_t support(int64_t true_class) const;
  /// How many samples were predicted to be of this class (the column's sum).
  int64_t predicted(int64_t predicted_class) const;
  /// The number of samples.
  int64_t total() const;
  /// The number of samples on the diagonal.
  int64_t correct() const;
  /// Whether any sample has this class as its true or its predicted one.
  bool occurs(int64_t class_index) const { return support(class_index) + predicted(class_index) > 0; }

  bool operator==(const ConfusionMatrix&) const = default;

 private:
  size_t index(int64_t true_class, int64_t predicted_class) const;

  int64_t classes_;
  std::vector<int64_t> counts_;
};

/// Precision, recall and their harmonic mean, of a class or averaged; `support` counts true samples.
struct ClassScores {
  double precision = 0;
  double recall = 0;
  double f1 = 0;
  int64_t support = 0;
};

/// How class scores become one figure: the plain mean over classes, the mean weighted by support, or from the
/// counts of all classes together (then all three equal the accuracy).
enum class Average { macro, weighted, micro };

/// Which classes an average is over. `occurring` is scikit-learn's default (a class that is never true and
/// never predicted is left out); `all` is what it does when given labels=range(classes): such a class counts
/// 0.
enum class Over { occurring, all };

/// The share of samples predicted right; 0 without samples.
double accuracy(const ConfusionMatrix& matrix);
ClassScores class_scores(const ConfusionMatrix& matrix, int64_t class_index);
ClassScores average(const ConfusionMatrix& matrix, Average kind, Over over = Over::occurring);

/// One pass over a set of samples, in figures. Until something was measured the figures are NaN.
struct Scores {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  double accuracy = kNone;
  double precision = kNone;       ///< macro, over the classes that occur
  double recall = kNone;          ///< macro, over the classes that occur
  double f1 = kNone;              ///< macro: the mean of the classes' F1
  double loss = kNone;            ///< cross-entropy, mean per sample
  double loss_batch_sum = kNone;  ///< the sum, over batches, of each batch's mean loss
  int64_t count = 0;              ///< samples

  /// Equal member by member, NaN being equal to NaN.
  bool operator==(const Scores& other) const;
};

/// Takes the logits of a pass batch by batch and scores it. Cross-entropy is computed in double by
/// log-sum-exp, plain (no label smoothing, no class weights), whatever the training loss is.
class ScoreAccumulator {
 public:
  explicit ScoreAccumulator(int64_t classes);

  /// logits[rows, classes] row-major, labels[rows], rows >= 1. The prediction is the greatest logit, the
  /// first of equal ones. Throws Error if a logit is not finite (training has diverged), and then counts
  /// nothing of the batch; std::invalid_argument if sizes or labels do not fit.
  void add_batch(std::span<const float> logits, std::span<const int32_t> labels);

  /// The scores of all batches so far; NaN figures before the first one.
  Scores scores() const;
  const ConfusionMatrix& confusion() const { return confusion_; }
  /// The predicted class of each sample, in the order fed.
  const std::vector<int32_t>& predictions() const { return predictions_; }
  /// The softmax probability of each sample's predicted class, in the order fed.
  const std::vector<double>& probabilities() const { return probabilities_; }

 private:
  ConfusionMatrix confusion_;
  double loss_sum_ = 0;
  double loss_batch_sum_ = 0;
  std::vector<int32_t> predictions_;
  std::vector<double> probabilities_;
};

/// The softmax of one row of logits, in double. Throws Error if a logit is not finite.
std::vector<double> softmax(std::span<const float> logits);

/// The arithmetic mean, e.g. over folds; NaN of nothing.
double mean(std::span<const double> values);

/// The sample standard deviation, which divides by n - 1 (numpy's ddof=1, where its default is ddof=0): the
/// folds are a sample of the ways the data could have been split. NaN of fewer than two values.
double sample_deviation(std::span<const double> values);

}  // namespace signet::study
