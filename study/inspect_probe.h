#pragma once
// Two measures of features: how far a linear classifier gets on them, and how alike two sets of them are.

#include <cstdint>
#include <span>
#include <vector>

namespace signet::study {

/// Features, a row an image.
struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<float> values;  ///< [rows, columns]

  std::span<const float> row(int64_t i) const {
    return std::span(values).subspan(size_t(i * columns), size_t(columns));
  }
};

/// Shares of images that a probe names right.
struct ProbeScores {
  double train = 0, validation = 0;
};

/// The weight of the ridge penalty, as a share of the number of training images.
inline constexpr double kRidge = 0.01;

/// A linear probe (Alain and Bengio, "Understanding intermediate layers using linear classifier probes",
/// 2016) in closed form: ridge regression of one-hot labels y on features x, standardised by the mean and
/// deviation of the n training rows, W = (xᵀx + kRidge n I)⁻¹ xᵀ(y - mean y); the greatest output is the
/// answer. `train` and `validation` are rows of `features`, neither empty; labels count from 0.
ProbeScores linear_probe(const Matrix& features, std::span<const int32_t> labels, std::span<const int> train,
                         std::span<const int> validation, int classes);

/// Linear centred kernel alignment of two sets of features of the same images (Kornblith, Norouzi, Lee and
/// Hinton, "Similarity of Neural Network Representations Revisited", 2019, section 3): with centred columns,
/// |yᵀx|² / (|xᵀx| |yᵀy|) in Frobenius norms. 1 for features that differ by a rotation and a factor only; 0
/// for uncorrelated ones, and where either does not vary at all. Throws std::invalid_argument for different
/// numbers of rows.
double linear_cka(const Matrix& x, const Matrix& y);

}  // namespace signet::study
