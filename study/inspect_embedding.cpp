#include "study/inspect_embedding.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/parallel.h"
#include "kernels/philox.h"

namespace signet::study {
namespace {

constexpr double kPerplexity = 30;
constexpr int kSteps = 500, kExaggerated = 125;
constexpr double kExaggeration = 12;

/// Squared distances between all rows, [rows, rows].
std::vector<float> squared_distances(const Matrix& m) {
  std::vector<float> result(size_t(m.rows * m.rows));
  parallel_for(m.rows, [&](int64_t i) {
    const auto a = m.row(i);
    for (int64_t j = 0; j < m.rows; ++j) {
      const auto b = m.row(j);
      float sums[8] = {};
      size_t c = 0;
      for (; c + 8 <= a.size(); c += 8) {
        for (size_t k = 0; k < 8; ++k) sums[k] += (a[c + k] - b[c + k]) * (a[c + k] - b[c + k]);
      }
      for (; c < a.size(); ++c) sums[0] += (a[c] - b[c]) * (a[c] - b[c]);
      result[size_t(i * m.rows + j)] =
          ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    }
  });
  return result;
}

/// One row of t-SNE's conditional probabilities: a Gaussian over squared distances whose width makes the
/// entropy that of `perplexity` equal neighbours. By bisection of the precision.
void conditional_row(std::span<const float> distances, int64_t own, double perplexity, std::span<float> row) {
  float least = std::numeric_limits<float>::max();
  for (size_t j = 0; j < distances.size(); ++j) {
    if (int64_t(j) != own) least = std::min(least, distances[j]);
  }
  double low = 0, high = std::numeric_limits<double>::infinity(), beta = 1;
  for (int round = 0; round < 60; ++round) {
    double sum = 0, weighted = 0;
    for (size_t j = 0; j < distances.size(); ++j) {
      const double d = double(distances[j]) - least;
      const double p = int64_t(j) == own ? 0 : std::exp(-beta * d);
      row[j] = float(p);
      sum += p;
      weighted += p * d;
    }
    const double entropy = std::log(sum) + beta * weighted / sum;
    for (float& p : row) p = float(p / sum);
    const double excess = entropy - std::log(perplexity);
    if (std::abs(excess) < 1e-5) break;
    (excess > 0 ? low : high) = beta;
    beta = std::isinf(high) ? beta * 2 : (low + high) / 2;
  }
}

/// Symmetric joint probabilities, [rows, rows].
std::vector<float> joint_probabilities(const Matrix& features) {
  const int64_t n = features.rows;
  const auto distances = squared_distances(features);
  const double perplexity = std::max(1.0, std::min(kPerplexity, double(n - 1) / 3));
  std::vector<float> conditional(distances.size()), joint(distances.size());
  parallel_for(n, [&](int64_t i) {
    conditional_row(std::span(distances).subspan(size_t(i * n), size_t(n)), i, perplexity,
                    std::span(conditional).subspan(size_t(i * n), size_t(n)));
  });
  parallel_for(n, [&](int64_t i) {
    for (int64_t j = 0; j < n; ++j) {
      const float p = conditional[size_t(i * n + j)] + conditional[size_t(j * n + i)];
      joint[size_t(i * n + j)] = std::max(p / (2 * float(n)), 1e-12f);
    }
  });
  return joint;
}

}  // namespace

PrincipalPlane principal_plane(const Matrix& features) {
  const int64_t n = features.rows, d = features.columns;
  std::vector<double> mean(size_t(d), 0.0), covariance(size_t(d * d));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t c = 0; c < d; ++c) mean[size_t(c)] += double(features.row(i)[size_t(c)]) / double(n);
  }
  parallel_for(d, [&](int64_t a) {
    double* row = &covariance[size_t(a * d)];
    for (int64_t i = 0; i < n; ++i) {
      const auto x = features.row(i);
      const double centred = x[size_t(a)] - mean[size_t(a)];
      for (int64_t b = 0; b < d; ++b) row[b] += centred * (x[size_t(b)] - mean[size_t(b)]);
    }
  });
  std::vector<double> axes[2];
  for (int k = 0; k < 2; ++k) {
    for (int64_t c = 0; c < d; ++c) {
      axes[k].push_back(philox_uniform(philox({0, uint64_t(k)}, uint64_t(c))[0]) - 0.5);
    }
  }
  double variance[2] = {}, total = 0;
  for (int64_t c = 0; c < d; ++c) total += covariance[size_t(c * d + c)];
  for (int round = 0; round < 300; ++round) {
    for (int k = 0; k < 2; ++k) {
      std::vector<double> next(size_t(d), 0.0);
      parallel_for(d, [&](int64_t a) {
        for (int64_t b = 0; b < d; ++b) next[size_t(a)] += covariance[size_t(a * d + b)] * axes[k][size_t(b)];
      });
      if (k == 1) {
        const double along = std::inner_product(next.begin(), next.end(), axes[0].begin(), 0.0);
        for (size_t c = 0; c < next.size(); ++c) next[c] -= along * axes[0][c];
      }
      variance[k] = std::sqrt(std::inner_product(next.begin(), next.end(), next.begin(), 0.0));
      if (variance[k] > 0) {
        for (double& v : next) v /= variance[k];
        axes[k] = next;
      }
    }
  }
  for (auto& axis : axes) {
    const auto largest = std::ranges::max_element(axis, {}, [](double v) { return std::abs(v); });
    if (*largest < 0) {
      for (double& v : axis) v = -v;
    }
  }
  PrincipalPlane plane;
  if (total > 0) {
    plane.first_share = variance[0] / total;
    plane.second_share = variance[1] / total;
  }
  for (int64_t i = 0; i < n; ++i) {
    Point point;
    for (int64_t c = 0; c < d; ++c) {
      const double centred = features.row(i)[size_t(c)] - mean[size_t(c)];
      point.x += centred * axes[0][size_t(c)];
      point.y += centred * axes[1][size_t(c)];
    }
    plane.points.push_back(point);
  }
  return plane;
}

std::vector<Point> tsne(const Matrix& features) {
  const int64_t n = features.rows;
  const auto joint = joint_probabilities(features);
  std::vector<Point> start = principal_plane(features).points;
  double spread = 0;
  for (const Point& p : start) spread += p.x * p.x / double(n);
  const double scale = spread > 0 ? 1e-4 / std::sqrt(spread) : 0;
  std::vector<float> x, y;
  for (const Point& p : start) {
    x.push_back(float(p.x * scale));
    y.push_back(float(p.y * scale));
  }
  const size_t count = size_t(n);
  std::vector<float> gain_x(count, 1), gain_y(count, 1), move_x(count), move_y(count);
  std::vector<double> attract_x(count), attract_y(count), repel_x(count), repel_y(count), weights(count);
  const auto rate = float(std::max(double(n) / kExaggeration, 50.0));
  for (int step = 0; step < kSteps; ++step) {
    parallel_for(n, [&](int64_t i) {
      float ax = 0, ay = 0, rx = 0, ry = 0, sum = 0;
      const float own_x = x[size_t(i)], own_y = y[size_t(i)];
      const float* p = &joint[size_t(i * n)];
      for (size_t j = 0; j < count; ++j) {
        const float to_x = own_x - x[j], to_y = own_y - y[j];
        const float q = 1 / (1 + to_x * to_x + to_y * to_y);
        sum += q;
        ax += p[j] * q * to_x;
        ay += p[j] * q * to_y;
        rx += q * q * to_x;
        ry += q * q * to_y;
      }
      attract_x[size_t(i)] = ax;
      attract_y[size_t(i)] = ay;
      repel_x[size_t(i)] = rx;
      repel_y[size_t(i)] = ry;
      weights[size_t(i)] = sum - 1;  // without the point itself
    });
    const double total = std::max(std::accumulate(weights.begin(), weights.end(), 0.0), 1e-12);
    const double pull = step < kExaggerated ? kExaggeration : 1;
    const float momentum = step < kExaggerated ? 0.5f : 0.8f;
    const auto advance = [&](std::vector<float>& at, std::vector<float>& move, std::vector<float>& gain,
                             const std::vector<double>& attract, const std::vector<double>& repel) {
      double centre = 0;
      for (size_t i = 0; i < count; ++i) {
        const auto gradient = float(4 * (pull * attract[i] - repel[i] / total));
        gain[i] = std::max(0.01f, (gradient > 0) == (move[i] > 0) ? gain[i] * 0.8f : gain[i] + 0.2f);
        move[i] = momentum * move[i] - rate * gain[i] * gradient;
        at[i] += move[i];
        centre += at[i] / double(n);
      }
      for (float& v : at) v -= float(centre);
    };
    advance(x, move_x, gain_x, attract_x, repel_x);
    advance(y, move_y, gain_y, attract_y, repel_y);
  }
  std::vector<Point> points;
  for (size_t i = 0; i < count; ++i) points.push_back({x[i], y[i]});
  return points;
}

double neighbour_agreement(const Matrix& features, std::span<const std::string> labels, int k) {
  const int64_t n = features.rows;
  const auto nearest = int64_t(std::min<int64_t>(k, n - 1));
  if (nearest < 1) return 0;
  const auto distances = squared_distances(features);
  std::vector<double> shares(static_cast<size_t>(n));
  parallel_for(n, [&](int64_t i) {
    const float* row = &distances[size_t(i * n)];
    std::vector<int64_t> order;
    for (int64_t j = 0; j < n; ++j) {
      if (j != i) order.push_back(j);
    }
    std::partial_sort(order.begin(), order.begin() + nearest, order.end(),
                      [&](int64_t a, int64_t b) { return row[a] != row[b] ? row[a] < row[b] : a < b; });
    for (int64_t j = 0; j < nearest; ++j) {
      if (labels[size_t(order[size_t(j)])] == labels[size_t(i)]) shares[size_t(i)] += 1 / double(nearest);
    }
  });
  return std::accumulate(shares.begin(), shares.end(), 0.0) / double(n);
}

}  // namespace signet::study
