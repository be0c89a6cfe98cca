#include "study/check_ridge.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "data/folds.h"
#include "kernels/kernels.h"
#include "kernels/parallel.h"

namespace signet::study {
namespace {

// Both chosen on the photographs, where any lambda from 0.03 to 1 does about as well.
constexpr float kLambda = 0.3f;
constexpr float kConstant = 0.3f;

constexpr int64_t kBand = 8;  // rows eliminated at once, so that the matrix is not read once a row

/// row[j] -= sum over the band's pivots of pivot[i] * pivot[j], for j from i on.
[[gnu::always_inline]] inline void eliminate_band(float* row, const float* band, int64_t i, int64_t n) {
  float factors[kBand];
  for (int64_t k = 0; k < kBand; ++k) factors[k] = band[k * n + i];
  for (int64_t j = i; j < n; ++j) {
    float sum = 0;
    for (int64_t k = 0; k < kBand; ++k) sum += factors[k] * band[k * n + j];
    row[j] -= sum;
  }
}

/// Overwrites the upper half of a symmetric positive definite matrix with its Cholesky factor U, U'U = M
/// (Golub and Van Loan, "Matrix Computations", section 4.2, by rows).
[[gnu::always_inline]] inline void factorise_inline(float* m, int64_t n) {
  for (int64_t begin = 0; begin < n; begin += kBand) {
    const int64_t end = std::min(begin + kBand, n);
    for (int64_t i = begin; i < end; ++i) {
      float* const row = m + i * n;
      for (int64_t k = begin; k < i; ++k) {
        const float* const pivot = m + k * n;
        const float factor = pivot[i];
        for (int64_t j = i; j < n; ++j) row[j] -= factor * pivot[j];
      }
      const float scale = 1 / std::sqrt(row[i]);
      for (int64_t j = i; j < n; ++j) row[j] *= scale;
    }
    for (int64_t i = end; i < n; ++i) eliminate_band(m + i * n, m + begin * n, i, n);
  }
}

#if defined(__x86_64__)
// Twice as many numbers at once as with SSE2, which every x86-64 has.
[[gnu::target("avx2,fma")]] void factorise_avx2(float* m, int64_t n) {
  factorise_inline(m, n);
}
#endif

void factorise(float* m, int64_t n) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return factorise_avx2(m, n);
#endif
  factorise_inline(m, n);
}

/// x[n, columns] becomes the solution of U'U x = x.
void solve(const float* u, float* x, int64_t n, int64_t columns) {
  const auto subtract = [&](float* from, const float* what, float factor) {
    for (int64_t c = 0; c < columns; ++c) from[c] -= factor * what[c];
  };
  const auto divide = [&](float* row, float by) {
    for (int64_t c = 0; c < columns; ++c) row[c] /= by;
  };
  for (int64_t k = 0; k < n; ++k) {
    divide(x + k * columns, u[k * n + k]);
    for (int64_t i = k + 1; i < n; ++i) subtract(x + i * columns, x + k * columns, u[k * n + i]);
  }
  for (int64_t k = n - 1; k >= 0; --k) {
    for (int64_t i = k + 1; i < n; ++i) subtract(x + k * columns, x + i * columns, u[k * n + i]);
    divide(x + k * columns, u[k * n + k]);
  }
}

std::vector<float> targets_of(std::span<const int> labels, int classes) {
  std::vector<float> targets(labels.size() * size_t(classes), -1.0f / float(classes));
  for (size_t i = 0; i < labels.size(); ++i) targets[i * size_t(classes) + size_t(labels[i])] += 1;
  return targets;
}

/// Rows of a table [*, width], gathered.
std::vector<float> gather(const std::vector<float>& table, const std::vector<int>& rows, int64_t width) {
  std::vector<float> out(rows.size() * size_t(width));
  for (size_t r = 0; r < rows.size(); ++r) {
    std::copy_n(table.begin() + rows[r] * width, width, out.begin() + int64_t(r) * width);
  }
  return out;
}

/// The same of a square table [size, size], its columns chosen too.
std::vector<float> gather_both(const std::vector<float>& table, const std::vector<int>& rows,
                               const std::vector<int>& columns, int64_t size) {
  std::vector<float> out;
  out.reserve(rows.size() * columns.size());
  for (const int r : rows) {
    for (const int c : columns) out.push_back(table[size_t(r * size + c)]);
  }
  return out;
}

std::vector<float> with_constant(const Tensor& features) {
  const int64_t rows = features.shape()[0], columns = features.shape()[1];
  std::vector<float> design(size_t(rows * (columns + 1)), kConstant);
  for (int64_t r = 0; r < rows; ++r) {
    std::copy_n(features.data() + r * columns, columns, design.begin() + r * (columns + 1));
  }
  return design;
}

/// left' * right of tables with as many rows.
std::vector<float> cross_product(const std::vector<float>& left, const std::vector<float>& right,
                                 int64_t rows, int64_t left_width, int64_t right_width) {
  std::vector<float> product(size_t(left_width * right_width));
  cpu::gemm(product.data(), left.data(), right.data(), Transpose::yes, Transpose::no, left_width, right_width,
            rows, Accumulate::no);
  return product;
}

}  // namespace

CrossRidge::CrossRidge(Tensor features, std::vector<int> folds)
    : design_(with_constant(features)),
      rows_(features.shape()[0]),
      width_(features.shape()[1] + 1),
      folds_(std::move(folds)) {
  if (int64_t(folds_.size()) != rows_) {
    throw std::invalid_argument("[CrossRidge] one fold a row is needed");
  }
  factors_.resize(size_t(data::fold_count(folds_)));
  dual() ? factorise_dual() : factorise_primal();
}

void CrossRidge::factorise_primal() {
  const auto gram = cross_product(design_, design_, rows_, width_, width_);
  parallel_for(int64_t(factors_.size()), [&](int64_t fold) {
    const auto held_out = data::validation_indices(folds_, int(fold));
    const auto own = gather(design_, held_out, width_);
    auto matrix = cross_product(own, own, int64_t(held_out.size()), width_, width_);
    for (size_t i = 0; i < matrix.size(); ++i) matrix[i] = gram[i] - matrix[i];
    for (int64_t i = 0; i < width_; ++i) matrix[size_t(i * width_ + i)] += kLambda;
    factorise(matrix.data(), width_);
    factors_[size_t(fold)] = std::move(matrix);
  });
}

void CrossRidge::factorise_dual() {
  gram_.resize(size_t(rows_ * rows_));
  cpu::gemm(gram_.data(), design_.data(), design_.data(), Transpose::no, Transpose::yes, rows_, rows_, width_,
            Accumulate::no);
  parallel_for(int64_t(factors_.size()), [&](int64_t fold) {
    const auto learned = data::training_indices(folds_, int(fold));
    auto matrix = gather_both(gram_, learned, learned, rows_);
    const auto n = int64_t(learned.size());
    for (int64_t i = 0; i < n; ++i) matrix[size_t(i * n + i)] += kLambda;
    factorise(matrix.data(), n);
    factors_[size_t(fold)] = std::move(matrix);
  });
}

std::vector<float> CrossRidge::scores(std::span<const int> labels, int classes) const {
  std::vector<float> scores(size_t(rows_ * classes));
  const auto targets = targets_of(labels, classes);
  std::vector<float> all;
  if (!dual()) all = cross_product(design_, targets, rows_, width_, classes);
  parallel_for(int64_t(factors_.size()), [&](int64_t fold) {
    const auto held_out = data::validation_indices(folds_, int(fold));
    const auto& factor = factors_[size_t(fold)];
    std::vector<float> left, right;  // of the product that gives the scores
    if (dual()) {
      const auto learned = data::training_indices(folds_, int(fold));
      left = gather_both(gram_, held_out, learned, rows_);
      right = gather(targets, learned, classes);
      solve(factor.data(), right.data(), int64_t(learned.size()), classes);
    } else {
      left = gather(design_, held_out, width_);
      right =
          cross_product(left, gather(targets, held_out, classes), int64_t(held_out.size()), width_, classes);
      for (size_t i = 0; i < right.size(); ++i) right[i] = all[i] - right[i];
      solve(factor.data(), right.data(), width_, classes);
    }
    const auto rows = int64_t(held_out.size());
    std::vector<float> part(size_t(rows * classes));
    cpu::gemm(part.data(), left.data(), right.data(), Transpose::no, Transpose::no, rows, classes,
              int64_t(right.size()) / classes, Accumulate::no);
    for (int64_t r = 0; r < rows; ++r) {
      std::copy_n(part.begin() + r * classes, classes,
                  scores.begin() + int64_t(held_out[size_t(r)]) * classes);
    }
  });
  return scores;
}

Tensor scaled_features(const Tensor& table, bool standardised) {
  return scaled_features(table, standardised, table);
}

Tensor scaled_features(const Tensor& table, bool standardised, const Tensor& like) {
  const int64_t columns = table.shape()[1];
  std::vector<double> mean(size_t(columns), 0.0), variance(size_t(columns), 0.0);
  const auto each = [&](const Tensor& t, const auto& visit) {
    for (int64_t r = 0; r < t.shape()[0]; ++r) {
      for (int64_t c = 0; c < columns; ++c) visit(r, size_t(c), t.data()[r * columns + c]);
    }
  };
  const double count = double(std::max<int64_t>(like.shape()[0], 1));
  each(like, [&](int64_t, size_t c, float value) { mean[c] += value / count; });
  each(like,
       [&](int64_t, size_t c, float value) { variance[c] += (value - mean[c]) * (value - mean[c]) / count; });
  std::vector<double> factor(size_t(columns), 1.0);
  if (standardised) {
    const double largest = std::sqrt(*std::max_element(variance.begin(), variance.end()));
    for (size_t c = 0; c < factor.size(); ++c) {
      factor[c] = 1 / std::max({std::sqrt(variance[c]), 1e-3 * largest, 1e-12});
    }
  }
  double norm = 0;
  for (size_t c = 0; c < factor.size(); ++c) norm += variance[c] * factor[c] * factor[c];
  const double all = norm > 0 ? 1 / std::sqrt(norm) : 1;
  const Tensor out = Tensor::empty(table.shape());
  each(table, [&](int64_t r, size_t c, float value) {
    out.data()[r * columns + int64_t(c)] = float((value - mean[c]) * factor[c] * all);
  });
  return out;
}

std::vector<double> calibrated(std::span<const float> scores, std::span<const int> labels, int classes) {
  const size_t rows = labels.size(), width = size_t(classes);
  std::vector<double> best;
  double least = std::numeric_limits<double>::infinity();
  for (const double temperature : {0.02, 0.03, 0.045, 0.07, 0.1, 0.15, 0.22, 0.33, 0.5}) {
    std::vector<double> p(rows * width);
    double loss = 0;
    for (size_t i = 0; i < rows; ++i) {
      const auto row = scores.subspan(i * width, width);
      const double top = *std::max_element(row.begin(), row.end());
      double sum = 0;
      for (size_t c = 0; c < width; ++c) sum += p[i * width + c] = std::exp((row[c] - top) / temperature);
      for (size_t c = 0; c < width; ++c) p[i * width + c] /= sum;
      if (labels[i] >= 0) loss -= std::log(std::max(p[i * width + size_t(labels[i])], 1e-6));
    }
    if (loss >= least) continue;
    least = loss;
    best = std::move(p);
  }
  return best;
}

}  // namespace signet::study
