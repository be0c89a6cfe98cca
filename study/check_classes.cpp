#include "study/check_classes.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace signet::study {
namespace {

int best_of(std::span<const float> scores, size_t row, int classes) {
  const auto own = scores.subspan(row * size_t(classes), size_t(classes));
  return int(std::ranges::max_element(own) - own.begin());
}

/// The closest images of two lists by cosine.
std::pair<int, int> closest(const Tensor& features, const std::vector<int>& first,
                            const std::vector<int>& second) {
  const int64_t columns = features.shape()[1];
  std::pair<int, int> best{first.front(), second.front()};
  double highest = -2;
  for (const int i : first) {
    for (const int j : second) {
      double product = 0, a = 0, b = 0;
      for (int64_t c = 0; c < columns; ++c) {
        const double x = features.data()[i * columns + c], y = features.data()[j * columns + c];
        product += x * y;
        a += x * x;
        b += y * y;
      }
      const double cosine = a > 0 && b > 0 ? product / std::sqrt(a * b) : 0;
      if (cosine <= highest) continue;
      highest = cosine;
      best = {i, j};
    }
  }
  return best;
}

/// At most `most` of a list, spread evenly over it.
std::vector<int> thinned(const std::vector<int>& list, size_t most) {
  if (list.size() <= most) return list;
  std::vector<int> kept;
  for (size_t k = 0; k < most; ++k) kept.push_back(list[k * list.size() / most]);
  return kept;
}

std::vector<std::vector<int>> images_of_classes(std::span<const int> labels, int classes) {
  std::vector<std::vector<int>> images(static_cast<size_t>(classes));
  for (size_t i = 0; i < labels.size(); ++i) images[size_t(labels[i])].push_back(int(i));
  return images;
}

}  // namespace

std::vector<AlikePair> find_alike(const LabelCheck& check, std::span<const int> labels, int classes,
                                  double least, size_t most) {
  constexpr size_t kCompared = 100;  // images of a class, when the closest two are sought
  const auto scores = check.grouped().scores(labels, classes);
  const auto p = calibrated(scores, labels, classes);
  const auto images = images_of_classes(labels, classes);
  const size_t width = size_t(classes);
  std::vector<double> mean(width * width);
  std::vector<int64_t> confused(width * width);
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto own = size_t(labels[i]);
    for (size_t c = 0; c < width; ++c) mean[own * width + c] += p[i * width + c] / double(images[own].size());
    ++confused[own * width + size_t(best_of(scores, i, classes))];
  }
  const auto judged = [&](size_t c) { return images[c].size() >= size_t(LabelCheck::kFewest); };
  std::vector<AlikePair> pairs;
  for (size_t a = 0; a < width; ++a) {
    for (size_t b = a + 1; b < width; ++b) {
      const double likeness = (mean[a * width + b] + mean[b * width + a]) / 2;
      if (!judged(a) || !judged(b) || likeness < least) continue;
      pairs.push_back({int(a), int(b), likeness, confused[a * width + b] + confused[b * width + a]});
    }
  }
  std::ranges::stable_sort(pairs, std::ranges::greater(), &AlikePair::likeness);
  pairs.resize(std::min(pairs.size(), most));
  for (auto& pair : pairs) {
    std::tie(pair.first_image, pair.second_image) =
        closest(check.features(), thinned(images[size_t(pair.first)], kCompared),
                thinned(images[size_t(pair.second)], kCompared));
  }
  return pairs;
}

std::vector<MirroredClass> FlipCheck::swapped() const {
  std::vector<MirroredClass> found;
  for (const auto& c : classes) {
    if (c.recognised >= 5 && 2 * c.landed >= c.recognised) found.push_back(c);
  }
  return found;
}

FlipVerdict FlipCheck::verdict() const {
  if (recognised < 20) return FlipVerdict::unknown;
  if (!swapped().empty() || (twins.size() >= 2 && 50 * int64_t(twins.size()) >= images)) {
    return FlipVerdict::unsafe;
  }
  if (kept_share() < 0.9) return FlipVerdict::doubtful;
  return told_apart >= 0.75 ? FlipVerdict::new_kind : FlipVerdict::safe;
}

std::vector<int> images_to_mirror(std::span<const int> labels, int classes, size_t most) {
  const size_t a_class = std::clamp<size_t>(most / size_t(std::max(classes, 1)), 2, 20);
  std::vector<int> chosen;
  for (const auto& images : images_of_classes(labels, classes)) {
    const auto some = thinned(images, a_class);
    chosen.insert(chosen.end(), some.begin(), some.end());
  }
  return chosen;
}

FlipCheck check_flip(const LabelCheck& check, std::span<const int> labels, int classes,
                     std::span<const int> images, const Tensor& mirrored,
                     std::span<const int> mirror_twins) {
  FlipCheck flip;
  flip.images = int64_t(images.size());
  std::vector<int> folds, both_folds, is_mirrored;
  for (const int i : images) folds.push_back(check.grouped().folds()[size_t(i)]);
  const auto scores = check.grouped().scores(labels, classes);
  const auto of_mirrors = check.grouped().scores_of(mirrored, folds, labels, classes);
  std::vector<MirroredClass> found(static_cast<size_t>(classes));
  std::vector<std::map<int, int64_t>> landed(static_cast<size_t>(classes));
  for (size_t k = 0; k < images.size(); ++k) {
    const int i = images[k], own = labels[size_t(i)];
    const int twin = mirror_twins[size_t(i)];
    if (twin >= 0 && labels[size_t(twin)] != own) flip.twins.emplace_back(i, twin);
    if (best_of(scores, size_t(i), classes) != own) continue;
    ++found[size_t(own)].recognised;
    const int place = best_of(of_mirrors, k, classes);
    if (place == own) {
      ++found[size_t(own)].kept;
    } else {
      ++landed[size_t(own)][place];
    }
  }
  for (int c = 0; c < classes; ++c) {
    auto& own = found[size_t(c)];
    own.label = c;
    for (const auto& [other, count] : landed[size_t(c)]) {
      if (count > own.landed) std::tie(own.other, own.landed) = std::pair(other, count);
    }
    flip.recognised += own.recognised;
    flip.kept += own.kept;
    if (own.recognised > 0) flip.classes.push_back(own);
  }

  const int64_t columns = mirrored.shape()[1], count = int64_t(images.size());
  const Tensor both = Tensor::empty({2 * count, columns});
  for (int64_t k = 0; k < count; ++k) {
    std::copy_n(check.features().data() + images[size_t(k)] * columns, columns, both.data() + k * columns);
    std::copy_n(mirrored.data() + k * columns, columns, both.data() + (count + k) * columns);
  }
  both_folds = folds;
  both_folds.insert(both_folds.end(), folds.begin(), folds.end());
  is_mirrored.assign(size_t(count), 0);
  is_mirrored.resize(size_t(2 * count), 1);
  const auto sides = CrossRidge(both, both_folds).scores(is_mirrored, 2);
  int64_t right = 0;
  for (size_t k = 0; k < is_mirrored.size(); ++k) right += best_of(sides, k, 2) == is_mirrored[k];
  flip.told_apart = double(right) / double(std::max<size_t>(is_mirrored.size(), 1));
  return flip;
}

}  // namespace signet::study
