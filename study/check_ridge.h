#pragma once
// Ridge regression on the classes, cross-validated: cheap enough to be done many times over, and the costly
// half of it does not depend on the labels.

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace signet::study {

/// One set of folds over the rows of a table. For each fold f the classifier of all other rows,
///   W_f = (A'A + lambda I)^-1 A'T,
/// with A the other rows (and a constant column) and T their classes, one column a class: 1 - 1/K for the own
/// class, -1/K for others. The Cholesky factors are kept; labels come later. Of fewer rows than columns the
/// same scores come from the smaller system of the dual form, A_v A' (AA' + lambda I)^-1 T for held-out A_v
/// (Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 2009, section 18.3.5).
class CrossRidge {
 public:
  /// `features` [rows, columns], scaled so that the mean squared norm of a row is 1; `folds` one number from
  /// 0 a row. Throws std::invalid_argument for another count.
  CrossRidge(Tensor features, std::vector<int> folds);

  /// What the classifiers that have not seen a row say of it: scores [rows, classes]. Where no other fold
  /// holds a row of a class, the class's score tells nothing.
  std::vector<float> scores(std::span<const int> labels, int classes) const;

  const std::vector<int>& folds() const { return folds_; }

 private:
  bool dual() const { return rows_ < width_; }
  void factorise_primal();
  void factorise_dual();

  std::vector<float> design_;  ///< [rows, width], the constant last
  int64_t rows_ = 0, width_ = 0;
  std::vector<int> folds_;
  std::vector<float> gram_;                  ///< of the dual form: AA' of all rows
  std::vector<std::vector<float>> factors_;  ///< for each fold U with U'U the matrix to be inverted
};

/// Rows with each column at mean 0 and, if `standardised`, divided by its standard deviation (by at least a
/// thousandth of the largest one, so that a column that hardly varies does not become noise); then all scaled
/// by one factor to a mean squared norm of 1. `like` gives mean, deviations and factor; without it the table
/// itself does.
Tensor scaled_features(const Tensor& table, bool standardised);
Tensor scaled_features(const Tensor& table, bool standardised, const Tensor& like);

/// Probabilities exp(s / t) / sum of them [rows, classes], with the temperature t, out of a fixed list, under
/// which the labels of the rows with label >= 0 are the most probable.
std::vector<double> calibrated(std::span<const float> scores, std::span<const int> labels, int classes);

}  // namespace signet::study
