#include "data/folds.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "data/shuffle.h"
#include "tests/data/fixtures.h"

using namespace signet::data;

namespace {

/// A data set that exists only in memory: counts[c] images of class c, named or not.
Dataset unnamed(const std::vector<int>& counts) {
  Dataset dataset;
  dataset.root = "set";
  for (size_t c = 0; c < counts.size(); ++c) {
    dataset.classes.push_back(fmt::format("{}", c));
    for (int i = 0; i < counts[c]; ++i) {
      dataset.samples.push_back({fmt::format("{}/{}.png", c, i), int(c), "", "", "", Part::any});
    }
  }
  return dataset;
}

Dataset hands(int classes, int signer_count, int lights, int takes) {
  Dataset dataset;
  dataset.root = "set";
  for (int c = 0; c < classes; ++c) {
    dataset.classes.push_back(fmt::format("{}", c));
    for (int s = 1; s <= signer_count; ++s) {
      for (int l = 0; l < lights; ++l) {
        for (int t = 0; t < takes; ++t) {
          dataset.samples.push_back({fmt::format("{}/{}-{}-{}.png", c, s, l, t), c, fmt::format("{}", s),
                                     fmt::format("l{}", l), fmt::format("{}", t), Part::any});
        }
      }
    }
  }
  return dataset;
}

/// The least and the most images that a fold has, of one class or (label -1) in all.
std::pair<int, int> extent(const Dataset& dataset, const std::vector<int>& folds, int k, int label) {
  std::vector<int> counts(static_cast<size_t>(k));
  for (size_t i = 0; i < folds.size(); ++i) {
    if (label < 0 || dataset.samples[i].label == label) ++counts.at(size_t(folds[i]));
  }
  const auto [low, high] = std::minmax_element(counts.begin(), counts.end());
  return {*low, *high};
}

std::string refusal(const Dataset& dataset, Split split, int k) {
  return error_of([&] { make_folds(dataset, split, k, 0); });
}

}  // namespace

TEST_CASE("random folds are stratified and even") {
  for (const int k : {2, 3, 5, 7}) {
    const auto dataset = unnamed({70, 65, 7, 13, 70, 8});
    const auto folds = make_folds(dataset, Split::random, k, 1);
    CHECK(fold_count(folds) == k);
    for (int label = -1; label < 6; ++label) {
      const auto [low, high] = extent(dataset, folds, k, label);
      CHECK(high - low <= 1);
    }
    CHECK(folds == make_folds(dataset, Split::random, k, 1));
    CHECK(folds != make_folds(dataset, Split::random, k, 2));
  }
}

TEST_CASE("random folds shuffle every class its own way") {
  const auto folds = make_folds(unnamed({50, 50}), Split::random, 5, 3);
  const std::vector<int> first(folds.begin(), folds.begin() + 50), second(folds.begin() + 50, folds.end());
  CHECK(first != second);
  CHECK_FALSE(std::is_sorted(first.begin(), first.end()));
}

TEST_CASE("group folds keep takes together and stay even") {
  const auto dataset = hands(6, 3, 4, 5);
  const auto folds = make_folds(dataset, Split::group, 5, 1);
  std::map<std::string, std::set<int>> folds_of_group;
  for (size_t i = 0; i < folds.size(); ++i) {
    const auto& s = dataset.samples[i];
    folds_of_group[fmt::format("{}/{}/{}", s.label, s.signer, s.light)].insert(folds[i]);
  }
  CHECK(folds_of_group.size() == 72);
  for (const auto& [group, where] : folds_of_group) CHECK_MESSAGE(where.size() == 1, group);
  for (int label = -1; label < 6; ++label) {
    const auto [low, high] = extent(dataset, folds, 5, label);
    CHECK(high - low <= 5);  // one group
  }
  CHECK(folds != make_folds(dataset, Split::group, 5, 2));
}

TEST_CASE("group folds are even within a class first, then in all") {
  auto dataset = hands(2, 1, 4, 5);
  std::erase_if(dataset.samples, [](const Sample& s) {
    return s.label == 0 ? s.light == "l3" : s.take != "0";  // groups of 5, 5, 5 and of 1, 1, 1, 1
  });
  const auto folds = make_folds(dataset, Split::group, 2, 0);
  CHECK(extent(dataset, folds, 2, 0) == std::pair(5, 10));
  CHECK(extent(dataset, folds, 2, 1) == std::pair(2, 2));
}

TEST_CASE("signer folds leave one signer out, numbers in order") {
  auto dataset = hands(2, 11, 1, 2);
  const auto folds = make_folds(dataset, Split::signer, 5, 0);
  CHECK(fold_count(folds) == 11);
  for (size_t i = 0; i < folds.size(); ++i) {
    CHECK(fmt::format("{}", folds[i] + 1) == dataset.samples[i].signer);
  }
  for (auto& sample : dataset.samples) {
    if (sample.signer == "2") sample.signer = "ann";
  }
  CHECK(make_folds(dataset, Split::signer, 5, 0)[2] == 10);
}

TEST_CASE("a predefined split is one fold") {
  auto dataset = unnamed({3, 3});
  dataset.predefined_split = true;
  for (size_t i = 0; i < 6; ++i) dataset.samples[i].part = i % 3 == 2 ? Part::val : Part::train;
  const auto folds = make_folds(dataset, Split::signer, 1, 0);
  CHECK(folds == std::vector<int>{-1, -1, 0, -1, -1, 0});
  CHECK(fold_count(folds) == 1);
  CHECK(training_indices(folds, 0) == std::vector<int>{0, 1, 3, 4});
  CHECK(validation_indices(folds, 0) == std::vector<int>{2, 5});
}

TEST_CASE("training and validation share nothing and miss nothing") {
  const auto folds = make_folds(unnamed({9, 9}), Split::random, 3, 0);
  for (int fold = 0; fold < 3; ++fold) {
    const auto training = training_indices(folds, fold), validation = validation_indices(folds, fold);
    std::set<int> all(training.begin(), training.end());
    all.insert(validation.begin(), validation.end());
    CHECK(all.size() == 18);
    CHECK(training.size() + validation.size() == 18);
  }
}

TEST_CASE("folds that cannot be made are refused") {
  CHECK(contains(refusal(unnamed({5, 5}), Split::random, 1), "--folds 1"));
  CHECK(contains(refusal(unnamed({5, 5}), Split::random, 11), "--folds 11: set has only 10 images"));
  CHECK(contains(refusal(unnamed({9, 4}), Split::random, 5), "class '1' has 4 images, too few for 5 folds"));
  for (const Split split : {Split::group, Split::signer}) {
    const std::string text = refusal(unnamed({5, 5}), split, 5);
    CHECK(contains(text, "10 of 10 do not, e.g. '0/0.png'"));
    CHECK(contains(text, "--name-pattern"));
  }
  auto dataset = hands(2, 2, 2, 2);
  dataset.samples[3].signer.clear();
  CHECK(contains(refusal(dataset, Split::signer, 5), "1 of 16 do not"));
  CHECK(contains(refusal(hands(2, 1, 3, 4), Split::signer, 5), "two or more"));
  CHECK(contains(refusal(hands(2, 1, 1, 9), Split::group, 2), "takes of one signer in one light"));
  CHECK(contains(refusal(hands(2, 2, 2, 5), Split::group, 5), "more than 4 groups"));
}

TEST_CASE("shuffled permutes, evenly, by seed, purpose and epoch") {
  std::vector<int> order(100);
  for (int i = 0; i < 100; ++i) order[size_t(i)] = i;
  const auto a = shuffled(order, 1, 2, 3);
  CHECK(a == shuffled(order, 1, 2, 3));
  for (const auto& b :
       {shuffled(order, 2, 2, 3), shuffled(order, 1, 3, 3), shuffled(order, 1, 2, 4), order}) {
    CHECK(a != b);
  }
  auto sorted = a;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == order);
  CHECK(shuffled({}, 1, 2, 3).empty());
  CHECK(shuffled({7}, 1, 2, 3) == std::vector<int>{7});

  // All 24 orders of four, 4800 draws: each 200 times, standard deviation sqrt(200 * 23 / 24).
  std::map<std::vector<int>, int> counts;
  for (int epoch = 0; epoch < 4800; ++epoch) ++counts[shuffled({0, 1, 2, 3}, 5, 0, epoch)];
  CHECK(counts.size() == 24);
  for (const auto& [permutation, count] : counts) CHECK(std::abs(count - 200) < 5 * 13.9);
}
