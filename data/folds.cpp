#include "data/folds.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "data/shuffle.h"
#include "tensor/error.h"
#include "tensor/hash.h"

namespace signet::data {
namespace {

std::vector<int> predefined_folds(const Dataset& dataset) {
  std::vector<int> folds;
  for (const auto& sample : dataset.samples) folds.push_back(sample.part == Part::val ? 0 : -1);
  return folds;
}

/// Throws unless every name tells what the split goes by.
void require_names(const Dataset& dataset, Split split) {
  const auto silent = [&](const Sample& sample) {
    return sample.signer.empty() || (split == Split::group && sample.light.empty());
  };
  const auto first = std::find_if(dataset.samples.begin(), dataset.samples.end(), silent);
  if (first == dataset.samples.end()) return;
  fail(
      "{}: --split {} needs file names that tell {}, and {} of {} do not, e.g. '{}'; describe the names with "
      "--name-pattern or use --split random",
      dataset.root.string(), split_name(split), split == Split::signer ? "the signer" : "signer and light",
      std::count_if(first, dataset.samples.end(), silent), dataset.size(), first->path);
}

std::vector<int> random_folds(const Dataset& dataset, int k, uint64_t seed) {
  std::vector<std::vector<int>> classes(dataset.classes.size());
  for (size_t i = 0; i < dataset.samples.size(); ++i) {
    classes[size_t(dataset.samples[i].label)].push_back(int(i));
  }
  std::vector<int> folds(dataset.samples.size());
  int next = 0;  // goes on from class to class, so that the remainders are spread over the folds
  for (size_t label = 0; label < classes.size(); ++label) {
    const size_t count = classes[label].size();
    if (count < size_t(k)) {
      fail("{}: class '{}' has {} images, too few for {} folds; lower --folds or add images",
           dataset.root.string(), dataset.classes[label], count, k);
    }
    for (const int i : shuffled(std::move(classes[label]), seed, fnv1a("random folds"), int64_t(label))) {
      folds[size_t(i)] = next;
      next = (next + 1) % k;
    }
  }
  return folds;
}

using Groups = std::vector<std::vector<int>>;  // the samples of each group

/// The groups of each class: takes of one signer and light.
std::vector<Groups> groups_of_classes(const Dataset& dataset) {
  std::map<std::tuple<int, std::string, std::string>, std::vector<int>> groups;
  for (size_t i = 0; i < dataset.samples.size(); ++i) {
    const auto& sample = dataset.samples[i];
    groups[{sample.label, sample.signer, sample.light}].push_back(int(i));
  }
  std::vector<Groups> classes(dataset.classes.size());
  for (auto& [key, members] : groups) classes[size_t(std::get<0>(key))].push_back(std::move(members));
  return classes;
}

std::vector<int> group_folds(const Dataset& dataset, int k, uint64_t seed) {
  const auto classes = groups_of_classes(dataset);
  size_t most_groups = 0;
  for (size_t label = 0; label < classes.size(); ++label) {
    most_groups = std::max(most_groups, classes[label].size());
    if (classes[label].size() < 2) {
      fail(
          "{}: all images of class '{}' are takes of one signer in one light, which --split group keeps "
          "together, so that no fold could learn it; add others or use --split random",
          dataset.root.string(), dataset.classes[label]);
    }
  }
  if (most_groups < size_t(k)) {
    fail("{}: no class has more than {} groups of takes, too few for {} folds; lower --folds",
         dataset.root.string(), most_groups, k);
  }
  std::vector<int> folds(dataset.samples.size());
  std::vector<size_t> in_all(size_t(k), 0);
  for (size_t label = 0; label < classes.size(); ++label) {
    std::vector<int> order(classes[label].size());
    for (size_t g = 0; g < order.size(); ++g) order[g] = int(g);
    order = shuffled(std::move(order), seed, fnv1a("group folds"), int64_t(label));
    const auto size = [&](int g) { return classes[label][size_t(g)].size(); };
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return size(a) > size(b); });
    std::vector<size_t> in_class(size_t(k), 0);
    for (const int g : order) {
      size_t best = 0;
      for (size_t f = 1; f < size_t(k); ++f) {
        if (std::pair(in_class[f], in_all[f]) < std::pair(in_class[best], in_all[best])) best = f;
      }
      in_class[best] += size(g);
      in_all[best] += size(g);
      for (const int i : classes[label][size_t(g)]) folds[size_t(i)] = int(best);
    }
  }
  return folds;
}

std::vector<int> signer_folds(const Dataset& dataset) {
  const auto names = signers(dataset);
  if (names.size() < 2) {
    fail("{}: all images show signer '{}', and --split signer needs two or more; use --split group",
         dataset.root.string(), names[0]);
  }
  std::vector<int> folds;
  for (const auto& sample : dataset.samples) {
    folds.push_back(int(std::find(names.begin(), names.end(), sample.signer) - names.begin()));
  }
  return folds;
}

template <class Choose>
std::vector<int> indices_where(std::span<const int> folds, Choose choose) {
  std::vector<int> indices;
  for (size_t i = 0; i < folds.size(); ++i) {
    if (choose(folds[i])) indices.push_back(int(i));
  }
  return indices;
}

}  // namespace

std::string_view split_name(Split split) {
  constexpr std::string_view kNames[] = {"random", "group", "signer"};
  return kNames[size_t(split)];
}

std::vector<int> make_folds(const Dataset& dataset, Split split, int folds, uint64_t seed) {
  if (dataset.predefined_split) return predefined_folds(dataset);
  if (split != Split::random) require_names(dataset, split);
  if (split == Split::signer) return signer_folds(dataset);
  if (folds < 2) fail("--folds {}: cross-validation needs two or more", folds);
  if (folds > dataset.size()) {
    fail("--folds {}: {} has only {} images; lower it", folds, dataset.root.string(), dataset.size());
  }
  return split == Split::random ? random_folds(dataset, folds, seed) : group_folds(dataset, folds, seed);
}

int fold_count(std::span<const int> folds) {
  return folds.empty() ? 0 : 1 + *std::max_element(folds.begin(), folds.end());
}

std::vector<int> training_indices(std::span<const int> folds, int fold) {
  return indices_where(folds, [=](int f) { return f != fold; });
}

std::vector<int> validation_indices(std::span<const int> folds, int fold) {
  return indices_where(folds, [=](int f) { return f == fold; });
}

}  // namespace signet::data
