#include "study/check_labels.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <tuple>

#include "data/folds.h"
#include "data/near_twins.h"
#include "data/shuffle.h"
#include "kernels/kernels.h"
#include "kernels/parallel.h"
#include "kernels/philox.h"
#include "tensor/hash.h"

namespace signet::study {
namespace {

constexpr int kFolds = 5;
constexpr double kFloor = 1e-4;  // of a probability: one expert alone cannot rule a class out

std::vector<int> numbers_from_zero(int64_t count) {
  std::vector<int> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

std::vector<int> counts_of(std::span<const int> labels, int classes) {
  std::vector<int> counts(static_cast<size_t>(classes));
  for (const int label : labels) ++counts[size_t(label)];
  return counts;
}

float dot(const float* a, const float* b, int64_t n) {
  constexpr int64_t kLanes = 16;
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t k = 0; k < kLanes; ++k) lanes[k] += a[i + k] * b[i + k];
  }
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/// Rows scaled to length 1; a row of zeros stays so.
Tensor unit_rows(const Tensor& table) {
  const int64_t rows = table.shape()[0], columns = table.shape()[1];
  const Tensor out = Tensor::empty(table.shape());
  for (int64_t r = 0; r < rows; ++r) {
    const float* const in = table.data() + r * columns;
    const float length = std::sqrt(dot(in, in, columns));
    for (int64_t c = 0; c < columns; ++c) {
      out.data()[r * columns + c] = length > 0 ? in[c] / length : 0;
    }
  }
  return out;
}

/// For each image a number for its key, in the order of their appearance; -1 where it has none.
template <class KeyOf>
std::vector<int> numbered(size_t images, const KeyOf& key_of) {
  std::map<typename decltype(key_of(size_t{}))::value_type, int> numbers;
  std::vector<int> of_image(images, -1);
  for (size_t i = 0; i < images; ++i) {
    if (const auto key = key_of(i)) of_image[i] = numbers.emplace(*key, int(numbers.size())).first->second;
  }
  return of_image;
}

}  // namespace

CheckGroups check_groups(const data::Dataset& dataset, std::span<const int> labels,
                         const std::vector<int>& near_twins) {
  const auto& samples = dataset.samples;
  using Take = std::tuple<int, std::string, std::string>;
  const auto takes = numbered(samples.size(), [&](size_t i) {
    const auto& sample = samples[i];
    const bool known = !sample.signer.empty() && !sample.light.empty();
    return known ? std::optional(Take(labels[i], sample.signer, sample.light)) : std::nullopt;
  });
  CheckGroups groups{data::join_groups({near_twins, takes}), {}};
  const auto signers = numbered(samples.size(), [&](size_t i) {
    return samples[i].signer.empty() ? std::nullopt : std::optional(samples[i].signer);
  });
  const bool all_known = std::ranges::none_of(signers, [](int s) { return s < 0; });
  if (all_known && data::signers(dataset).size() > 1) groups.signers = signers;
  return groups;
}

std::vector<int> grouped_folds(std::span<const int> groups, int k, uint64_t seed) {
  std::vector<std::vector<int>> members;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (size_t(groups[i]) >= members.size()) members.resize(size_t(groups[i]) + 1);
    members[size_t(groups[i])].push_back(int(i));
  }
  std::erase_if(members, [](const auto& list) { return list.empty(); });
  auto order = data::shuffled(numbers_from_zero(int64_t(members.size())), seed, fnv1a("check folds"), 0);
  const auto size = [&](int g) { return members[size_t(g)].size(); };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return size(a) > size(b); });
  std::vector<size_t> filled(std::min(size_t(k), members.size()));
  std::vector<int> folds(groups.size());
  for (const int g : order) {
    const auto least = std::min_element(filled.begin(), filled.end());
    *least += size(g);
    for (const int i : members[size_t(g)]) folds[size_t(i)] = int(least - filled.begin());
  }
  return folds;
}

LabelCheck::LabelCheck(Tensor features, const CheckGroups& groups, uint64_t seed)
    : features_(std::move(features)), groups_(groups.twins) {
  const int64_t images = features_.shape()[0];
  if (int64_t(groups_.size()) != images) {
    throw std::invalid_argument("[LabelCheck] one group an image is needed");
  }
  std::vector<std::vector<int>> folds{
      grouped_folds(numbers_from_zero(images), kFolds, seed),
      grouped_folds(groups_, kFolds, seed),
  };
  if (!groups.signers.empty()) folds.push_back(grouped_folds(groups.signers, kFolds, seed));
  for (auto& each : folds) ridges_.push_back(std::make_unique<CrossRidge>(features_, std::move(each)));
  find_neighbours();
}

void LabelCheck::find_neighbours() {
  const int64_t images = features_.shape()[0], columns = features_.shape()[1];
  const Tensor unit = unit_rows(features_);
  const Neighbour none{-1, 0};
  near_.assign(size_t(images * kNeighbours), none);
  near_outside_ = near_;
  constexpr int64_t kRows = 64;
  parallel_for((images + kRows - 1) / kRows, [&](int64_t block) {
    const int64_t begin = block * kRows, rows = std::min(kRows, images - begin);
    std::vector<float> cosines(size_t(rows * images));
    cpu::gemm(cosines.data(), unit.data() + begin * columns, unit.data(), Transpose::no, Transpose::yes, rows,
              images, columns, Accumulate::no);
    std::vector<int> order(static_cast<size_t>(images));
    for (int64_t r = 0; r < rows; ++r) {
      const float* const cosine = cosines.data() + r * images;
      const auto keep = [&](std::vector<Neighbour>& table, const auto& allowed) {
        order.clear();
        for (int j = 0; j < int(images); ++j) {
          if (j != begin + r && allowed(j)) order.push_back(j);
        }
        const auto count = std::min<ptrdiff_t>(kNeighbours, ptrdiff_t(order.size()));
        std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int a, int b) {
          return cosine[a] != cosine[b] ? cosine[a] > cosine[b] : a < b;
        });
        for (ptrdiff_t k = 0; k < count; ++k) {
          table[size_t((begin + r) * kNeighbours + k)] = {order[size_t(k)], 2 - 2 * cosine[order[size_t(k)]]};
        }
      };
      keep(near_, [](int) { return true; });
      keep(near_outside_, [&](int j) { return groups_[size_t(j)] != groups_[size_t(begin + r)]; });
    }
  });
}

void LabelCheck::add_votes(std::vector<double>& log_sum, std::vector<int>& experts,
                           const std::vector<Neighbour>& neighbours, std::span<const int> labels,
                           int classes) const {
  std::vector<double> votes;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto own = std::span(neighbours).subspan(i * kNeighbours, kNeighbours);
    const auto count =
        size_t(std::ranges::count_if(own, [](const Neighbour& neighbour) { return neighbour.image >= 0; }));
    if (count == 0) continue;
    const double median = std::max(double(own[count / 2].distance), 1e-9);  // they are sorted
    votes.assign(size_t(classes), 0.5 / classes);
    double sum = 0.5;
    for (const auto& neighbour : own.first(count)) {
      const double weight = std::exp(-double(neighbour.distance) / median);
      votes[size_t(labels[size_t(neighbour.image)])] += weight;
      sum += weight;
    }
    for (size_t c = 0; c < votes.size(); ++c) {
      log_sum[i * votes.size() + c] += std::log(votes[c] / sum + kFloor);
    }
    ++experts[i];
  }
}

std::vector<double> LabelCheck::probabilities(std::span<const int> labels, int classes) const {
  const size_t width = size_t(classes);
  std::vector<double> p(labels.size() * width);
  std::vector<int> experts(labels.size());
  const auto counts = counts_of(labels, classes);
  for (const auto& ridge : ridges_) {
    const auto of_expert = calibrated(ridge->scores(labels, classes), labels, classes);
    std::vector<int> in_fold(size_t(data::fold_count(ridge->folds())) * width);
    const auto place = [&](size_t i) { return size_t(ridge->folds()[i]) * width + size_t(labels[i]); };
    for (size_t i = 0; i < labels.size(); ++i) ++in_fold[place(i)];
    for (size_t i = 0; i < labels.size(); ++i) {
      if (in_fold[place(i)] == counts[size_t(labels[i])]) continue;
      for (size_t c = 0; c < width; ++c) p[i * width + c] += std::log(of_expert[i * width + c] + kFloor);
      ++experts[i];
    }
  }
  add_votes(p, experts, near_, labels, classes);
  add_votes(p, experts, near_outside_, labels, classes);
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto row = std::span(p).subspan(i * width, width);
    const double top = *std::ranges::max_element(row), divisor = std::max(experts[i], 1);
    double sum = 0;
    for (double& value : row) sum += value = std::exp((value - top) / divisor);
    for (double& value : row) value /= sum;
  }
  return p;
}

std::vector<LabelOpinion> LabelCheck::judge(std::span<const int> labels, int classes) const {
  const auto p = probabilities(labels, classes);
  const auto counts = counts_of(labels, classes);
  std::vector<LabelOpinion> opinions(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    const double* const row = p.data() + i * size_t(classes);
    const int own = labels[i];
    int best = -1;
    for (int c = 0; c < classes; ++c) {
      if (c == own || counts[size_t(c)] < kFewest) continue;
      if (best < 0 || row[c] > row[best]) best = c;
    }
    opinions[i].suggested = best < 0 ? own : best;
    if (best >= 0 && counts[size_t(own)] >= kFewest) {
      opinions[i].score = row[best] / (row[best] + row[own]);
    }
  }
  return opinions;
}

void LabelCheck::add_neighbours(LabelOpinion& opinion, int image, std::span<const int> labels,
                                int count) const {
  const int64_t columns = features_.shape()[1];
  const auto distance = [&](int j) {
    const float *a = features_.data() + image * columns, *b = features_.data() + j * columns;
    return double(dot(a, a, columns)) + dot(b, b, columns) - 2.0 * dot(a, b, columns);
  };
  const auto nearest = [&](int label) {
    std::vector<std::pair<double, int>> found;
    for (const bool outside : {true, false}) {
      for (int j = 0; j < int(labels.size()); ++j) {
        const bool other_group = groups_[size_t(j)] != groups_[size_t(image)];
        if (j != image && labels[size_t(j)] == label && other_group == outside) {
          found.emplace_back(distance(j), j);
        }
      }
      if (!found.empty()) break;
    }
    const auto kept = std::min<ptrdiff_t>(count, ptrdiff_t(found.size()));
    std::partial_sort(found.begin(), found.begin() + kept, found.end());
    std::vector<int> images;
    for (ptrdiff_t k = 0; k < kept; ++k) images.push_back(found[size_t(k)].second);
    return images;
  };
  opinion.like_label = nearest(labels[size_t(image)]);
  opinion.like_suggested = nearest(opinion.suggested);
}

Rehearsal LabelCheck::rehearse(std::span<const int> labels, int classes, double share, uint64_t seed) const {
  Rehearsal rehearsal;
  rehearsal.planted = std::max<int64_t>(int64_t(std::lround(share * double(labels.size()))), 1);
  std::vector<int> changed(labels.begin(), labels.end());
  const auto order = data::shuffled(numbers_from_zero(int64_t(labels.size())), seed, fnv1a("rehearsal"), 0);
  const PhiloxKey key = philox_derive({seed, fnv1a("rehearsal")}, 1);
  std::vector<bool> wrong(labels.size());
  for (int64_t k = 0; k < rehearsal.planted; ++k) {
    const auto i = size_t(order[size_t(k)]);
    const auto step = 1 + philox(key, uint64_t(k))[0] % uint32_t(classes - 1);
    changed[i] = int((uint32_t(labels[i]) + step) % uint32_t(classes));
    wrong[i] = true;
  }
  const auto opinions = judge(changed, classes);
  auto ranking = numbers_from_zero(int64_t(labels.size()));
  std::stable_sort(ranking.begin(), ranking.end(),
                   [&](int a, int b) { return opinions[size_t(a)].score > opinions[size_t(b)].score; });
  for (int64_t k = 0; k < std::min<int64_t>(2 * rehearsal.planted, int64_t(ranking.size())); ++k) {
    if (!wrong[size_t(ranking[size_t(k)])]) continue;
    ++rehearsal.found_twice;
    if (k < rehearsal.planted) ++rehearsal.found;
  }
  return rehearsal;
}

double estimated_errors(std::span<const double> probabilities, std::span<const int> labels, int classes) {
  const size_t width = size_t(classes);
  const auto counts = counts_of(labels, classes);
  std::vector<double> threshold(width);
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto own = size_t(labels[i]);
    threshold[own] += probabilities[i * width + own] / counts[own];
  }
  std::vector<double> joint(width * width);
  for (size_t i = 0; i < labels.size(); ++i) {
    const double* const p = probabilities.data() + i * width;
    int best = -1;
    for (int c = 0; c < classes; ++c) {
      if (counts[size_t(c)] == 0 || p[c] < threshold[size_t(c)]) continue;
      if (best < 0 || p[c] > p[best]) best = c;
    }
    if (best >= 0) ++joint[size_t(labels[i]) * width + size_t(best)];
  }
  double errors = 0;
  for (size_t a = 0; a < width; ++a) {
    const auto row = std::span(joint).subspan(a * width, width);
    const double counted = std::accumulate(row.begin(), row.end(), 0.0);
    if (counted > 0) errors += (counted - row[a]) / counted * counts[a];
  }
  return errors;
}

}  // namespace signet::study
