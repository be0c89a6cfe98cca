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

double FlipCheck::accuracy_without() const {
  int64_t right = 0;
  for (const auto& c : classes) right += c.right_without;
  return images == 0 ? 0 : double(right) / double(images);
}

double FlipCheck::accuracy_with() const {
  return images == 0 ? 0 : accuracy_without() + double(gained - lost) / double(images);
}

std::vector<FlippedClass> FlipCheck::merged() const {
  std::vector<FlippedClass> found;
  for (const auto& c : classes) {
    if (c.taken >= 3 && 4 * c.taken >= c.right_without) found.push_back(c);
  }
  return found;
}

FlipVerdict FlipCheck::verdict() const {
  if (accuracy_without() * double(images) < 20) return FlipVerdict::unknown;
  const bool mirrored_twins = twins.size() >= 2 && 50 * int64_t(twins.size()) >= images;
  if (mirrored_twins || !merged().empty()) return FlipVerdict::unsafe;
  const int64_t net = lost - gained;
  if (net >= 3 && net * net > 4 * (lost + gained)) return FlipVerdict::costly;
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
                     std::span<const int> images, const Tensor& mirrored, std::span<const int> mirror_twins) {
  FlipCheck flip;
  const int64_t columns = mirrored.shape()[1], count = int64_t(images.size());
  flip.images = count;
  std::vector<int> folds, own;
  const Tensor plain = Tensor::empty({count, columns}), both = Tensor::empty({2 * count, columns});
  for (int64_t k = 0; k < count; ++k) {
    const int image = images[size_t(k)];
    folds.push_back(check.grouped().folds()[size_t(image)]);
    own.push_back(labels[size_t(image)]);
    const float* const row = check.features().data() + image * columns;
    std::copy_n(row, columns, plain.data() + k * columns);
    std::copy_n(row, columns, both.data() + k * columns);
    const int twin = mirror_twins[size_t(image)];
    if (twin >= 0 && labels[size_t(twin)] != own.back()) flip.twins.emplace_back(image, twin);
  }
  std::copy_n(mirrored.data(), mirrored.size(), both.data() + plain.size());
  const auto without = CrossRidge(plain, folds).scores(own, classes);
  const auto twice = [](std::vector<int> list) {
    list.reserve(2 * list.size());
    list.insert(list.end(), list.begin(), list.end());
    return list;
  };
  const CrossRidge of_both(both, twice(folds));
  const auto with = of_both.scores(twice(own), classes);

  std::vector<FlippedClass> found(static_cast<size_t>(classes));
  std::vector<std::map<int, int64_t>> taken(static_cast<size_t>(classes));
  for (size_t k = 0; k < own.size(); ++k) {
    auto& of_class = found[size_t(own[k])];
    const int before = best_of(without, k, classes), after = best_of(with, k, classes);
    ++of_class.images;
    of_class.right_without += before == own[k];
    of_class.right_with += after == own[k];
    flip.gained += before != own[k] && after == own[k];
    if (before != own[k] || after == own[k]) continue;
    ++flip.lost;
    ++taken[size_t(own[k])][after];
  }
  for (int c = 0; c < classes; ++c) {
    auto& of_class = found[size_t(c)];
    of_class.label = c;
    for (const auto& [other, times] : taken[size_t(c)]) {
      if (times > of_class.taken) std::tie(of_class.other, of_class.taken) = std::pair(other, times);
    }
    if (of_class.images > 0) flip.classes.push_back(of_class);
  }

  std::vector<int> is_mirrored(size_t(count), 0);
  is_mirrored.resize(size_t(2 * count), 1);
  const auto sides = of_both.scores(is_mirrored, 2);
  int64_t right = 0;
  for (size_t k = 0; k < is_mirrored.size(); ++k) right += best_of(sides, k, 2) == is_mirrored[k];
  flip.told_apart = count == 0 ? 0 : double(right) / double(2 * count);
  return flip;
}

}  // namespace signet::study
