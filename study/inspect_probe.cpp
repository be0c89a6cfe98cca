#include "study/inspect_probe.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/parallel.h"

namespace signet::study {
namespace {

/// Columns of doubles, each contiguous: what the sums below run over.
struct Columns {
  int64_t rows = 0, count = 0;
  std::vector<double> values;  ///< [count, rows]

  std::span<const double> column(int64_t c) const {
    return std::span(values).subspan(size_t(c * rows), size_t(rows));
  }
  std::span<double> column(int64_t c) { return std::span(values).subspan(size_t(c * rows), size_t(rows)); }
};

Columns columns_of(const Matrix& matrix) {
  Columns result{matrix.rows, matrix.columns, std::vector<double>(matrix.values.size())};
  for (int64_t i = 0; i < matrix.rows; ++i) {
    for (int64_t c = 0; c < matrix.columns; ++c) {
      result.values[size_t(c * matrix.rows + i)] = matrix.values[size_t(i * matrix.columns + c)];
    }
  }
  return result;
}

/// In four sums, which the processor adds side by side.
double dot(std::span<const double> a, std::span<const double> b) {
  double sums[4] = {};
  size_t i = 0;
  for (; i + 4 <= a.size(); i += 4) {
    for (size_t k = 0; k < 4; ++k) sums[k] += a[i + k] * b[i + k];
  }
  for (; i < a.size(); ++i) sums[0] += a[i] * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

void centre(Columns& columns) {
  for (int64_t c = 0; c < columns.count; ++c) {
    auto column = columns.column(c);
    double mean = 0;
    for (const double v : column) mean += v / double(columns.rows);
    for (double& v : column) v -= mean;
  }
}

/// The squared Frobenius norm of aᵀb.
double squared_product(const Columns& a, const Columns& b) {
  std::vector<double> of_row(size_t(a.count), 0.0);
  parallel_for(a.count, [&](int64_t i) {
    for (int64_t j = 0; j < b.count; ++j) {
      const double d = dot(a.column(i), b.column(j));
      of_row[size_t(i)] += d * d;
    }
  });
  double sum = 0;
  for (const double v : of_row) sum += v;
  return sum;
}

/// Solves a x = b for each column of b in place: a [n, n] symmetric and positive definite, b [n, count], both
/// row by row. Cholesky's decomposition.
void solve(std::vector<double>& a, std::vector<double>& b, int64_t n, int64_t count) {
  const auto at = [&](int64_t i, int64_t j) -> double& { return a[size_t(i * n + j)]; };
  for (int64_t j = 0; j < n; ++j) {
    const std::span<const double> row_j(&at(j, 0), size_t(j));
    at(j, j) = std::sqrt(at(j, j) - dot(row_j, row_j));
    parallel_for(n - j - 1, [&](int64_t k) {
      const int64_t i = j + 1 + k;
      at(i, j) = (at(i, j) - dot({&at(i, 0), size_t(j)}, row_j)) / at(j, j);
    });
  }
  const auto row = [&](int64_t i) { return &b[size_t(i * count)]; };
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < i; ++k) {
      for (int64_t c = 0; c < count; ++c) row(i)[c] -= at(i, k) * row(k)[c];
    }
    for (int64_t c = 0; c < count; ++c) row(i)[c] /= at(i, i);
  }
  for (int64_t i = n - 1; i >= 0; --i) {
    for (int64_t k = i + 1; k < n; ++k) {
      for (int64_t c = 0; c < count; ++c) row(i)[c] -= at(k, i) * row(k)[c];
    }
    for (int64_t c = 0; c < count; ++c) row(i)[c] /= at(i, i);
  }
}

}  // namespace

ProbeScores linear_probe(const Matrix& features, std::span<const int32_t> labels, std::span<const int> train,
                         std::span<const int> validation, int classes) {
  Columns x = columns_of(features);
  const auto n = double(train.size());
  for (int64_t c = 0; c < x.count; ++c) {
    auto column = x.column(c);
    double mean = 0, variance = 0;
    for (const int i : train) mean += column[size_t(i)] / n;
    for (const int i : train) variance += (column[size_t(i)] - mean) * (column[size_t(i)] - mean) / n;
    const double scale = variance > 0 ? 1 / std::sqrt(variance) : 0;
    for (double& v : column) v = (v - mean) * scale;
  }
  std::vector<double> share(size_t(classes), 0.0);
  for (const int i : train) share[size_t(labels[size_t(i)])] += 1 / n;
  Columns own{int64_t(train.size()), x.count, std::vector<double>(train.size() * size_t(x.count))};
  for (int64_t c = 0; c < x.count; ++c) {
    for (size_t i = 0; i < train.size(); ++i) own.column(c)[i] = x.column(c)[size_t(train[i])];
  }
  std::vector<double> gram(size_t(x.count * x.count)), weight(size_t(x.count * classes));
  parallel_for(x.count, [&](int64_t a) {
    for (int64_t b = 0; b < x.count; ++b) {
      gram[size_t(a * x.count + b)] = dot(own.column(a), own.column(b)) + (a == b ? kRidge * n : 0);
    }
    // Columns are centred, so subtracting the mean of the labels changes nothing here.
    for (size_t i = 0; i < train.size(); ++i) {
      weight[size_t(a * classes + labels[size_t(train[i])])] += own.column(a)[i];
    }
  });
  solve(gram, weight, x.count, classes);
  const auto share_right = [&](std::span<const int> rows) {
    std::vector<int> right(rows.size());
    parallel_for(int64_t(rows.size()), [&](int64_t r) {
      const int i = rows[size_t(r)];
      std::vector<double> output = share;
      for (int64_t c = 0; c < x.count; ++c) {
        for (int k = 0; k < classes; ++k) {
          output[size_t(k)] += x.column(c)[size_t(i)] * weight[size_t(c * classes + k)];
        }
      }
      const auto best = std::max_element(output.begin(), output.end()) - output.begin();
      right[size_t(r)] = best == labels[size_t(i)] ? 1 : 0;
    });
    return double(std::count(right.begin(), right.end(), 1)) / double(rows.size());
  };
  return {share_right(train), share_right(validation)};
}

double linear_cka(const Matrix& x, const Matrix& y) {
  if (x.rows != y.rows) throw std::invalid_argument("[linear_cka] features of different images");
  Columns a = columns_of(x), b = columns_of(y);
  centre(a);
  centre(b);
  const double norms = std::sqrt(squared_product(a, a)) * std::sqrt(squared_product(b, b));
  return norms > 0 ? squared_product(a, b) / norms : 0;
}

}  // namespace signet::study
