// How well `signet data check` finds wrong labels: errors of several kinds are planted into the labels of a
// data set, and those found among the first suspects are counted.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>

#include "data/near_twins.h"
#include "data/shuffle.h"
#include "data/store.h"
#include "study/check_classes.h"
#include "study/check_features.h"
#include "study/check_labels.h"
#include "study/csv.h"
#include "tensor/error.h"
#include "tensor/hash.h"

namespace {

using namespace signet;

struct Planted {
  std::vector<int> labels;
  std::vector<bool> wrong;
  int64_t count = 0;

  void move(int image, int label) {
    if (labels[size_t(image)] == label || wrong[size_t(image)]) return;
    labels[size_t(image)] = label;
    wrong[size_t(image)] = true;
    ++count;
  }
};

/// Plants errors into the true labels of a data set.
class Planter {
 public:
  Planter(const data::Dataset& dataset, std::vector<int> twins, std::vector<int> similar)
      : classes_(dataset.num_classes()), similar_(std::move(similar)) {
    std::map<std::tuple<int, std::string, std::string>, std::vector<int>> takes;
    for (size_t i = 0; i < dataset.samples.size(); ++i) {
      const auto& sample = dataset.samples[i];
      labels_.push_back(sample.label);
      takes[{sample.label, sample.signer, sample.light}].push_back(int(i));
    }
    for (auto& [key, images] : takes) takes_.push_back(std::move(images));
    twins_.resize(labels_.size());
    for (size_t i = 0; i < twins.size(); ++i) twins_[size_t(twins[i])].push_back(int(i));
    std::erase_if(twins_, [](const auto& group) { return group.size() < 2; });
  }

  /// About `share` of the labels made wrong.
  Planted plant(const std::string& kind, double share, uint64_t seed) const {
    const auto target = int64_t(std::lround(share * double(labels_.size())));
    Planted planted{labels_, std::vector<bool>(labels_.size()), 0};
    int64_t draws = 0;
    const auto shuffled = [&](size_t count) {
      std::vector<int> order(count);
      std::iota(order.begin(), order.end(), 0);
      return data::shuffled(order, seed, fnv1a(kind), draws++);
    };
    const auto other_class = [&](int label) {
      const int drawn = shuffled(size_t(classes_ - 1)).front();
      return drawn + (drawn >= label ? 1 : 0);
    };
    const auto similar_to = [&](int label) { return similar_[size_t(label)]; };
    if (kind == "uniform" || kind == "similar") {
      for (const int i : shuffled(labels_.size())) {
        if (planted.count == target) break;
        const int label = labels_[size_t(i)];
        planted.move(i, kind == "uniform" ? other_class(label) : similar_to(label));
      }
    } else if (kind == "twins" || kind == "takes") {
      const auto& groups = kind == "twins" ? twins_ : takes_;
      for (const int g : shuffled(groups.size())) {
        if (planted.count >= target) break;
        const auto& group = groups[size_t(g)];
        const int label = other_class(labels_[size_t(group.front())]);
        for (const int i : group) planted.move(i, label);
      }
    } else {
      // systematic: a third of a class goes to the class that it looks like.
      for (const int label : shuffled(size_t(classes_))) {
        if (planted.count >= target) break;
        const auto members = shuffled(labels_.size());
        int64_t of_class = std::count(labels_.begin(), labels_.end(), label) / 3;
        for (const int i : members) {
          if (of_class == 0) break;
          if (labels_[size_t(i)] != label) continue;
          planted.move(i, similar_to(label));
          --of_class;
        }
      }
    }
    return planted;
  }

 private:
  int classes_;
  std::vector<int> labels_, similar_;
  std::vector<std::vector<int>> twins_, takes_;
};

struct Found {
  double first = 0, twice = 0;  ///< shares of the planted among the first N and 2N
};

Found count_found(const std::vector<study::LabelOpinion>& opinions, const Planted& planted) {
  std::vector<int> ranking(opinions.size());
  std::iota(ranking.begin(), ranking.end(), 0);
  std::stable_sort(ranking.begin(), ranking.end(),
                   [&](int a, int b) { return opinions[size_t(a)].score > opinions[size_t(b)].score; });
  Found found;
  for (int64_t k = 0; k < std::min<int64_t>(2 * planted.count, int64_t(ranking.size())); ++k) {
    if (!planted.wrong[size_t(ranking[size_t(k)])]) continue;
    found.twice += 1.0 / double(planted.count);
    if (k < planted.count) found.first += 1.0 / double(planted.count);
  }
  return found;
}

/// For each class the one that it is taken for most.
std::vector<int> similar_classes(const study::LabelCheck& check, const std::vector<int>& labels,
                                 int classes) {
  std::vector<int> similar(static_cast<size_t>(classes), -1);
  const auto pairs = study::find_alike(check, labels, classes, 0, size_t(classes) * size_t(classes));
  for (const auto& pair : pairs) {
    for (const auto& [a, b] : {std::pair(pair.first, pair.second), std::pair(pair.second, pair.first)}) {
      if (similar[size_t(a)] < 0) similar[size_t(a)] = b;
    }
  }
  return similar;
}

void correct(data::Dataset& dataset, const std::string& file) {
  for (const auto& row : study::read_csv(file).rows) {
    const auto sample = std::ranges::find(dataset.samples, row.at(0), &data::Sample::path);
    const auto label = std::ranges::find(dataset.classes, row.at(1));
    if (sample == dataset.samples.end() || label == dataset.classes.end()) {
      fail("{}: the data set has no image '{}' or no class '{}'", file, row[0], row[1]);
    }
    sample->label = int(label - dataset.classes.begin());
  }
}

int run(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    fmt::print(stderr,
               "usage: check_labels FOLDER [WEIGHTS [CORRECTED]]\n"
               "WEIGHTS may be \"\"; CORRECTED is a CSV file with columns path,label: errors of the data set "
               "itself, put right before others are planted\n");
    return 2;
  }
  constexpr int kSeeds = 2;
  const study::CheckFeatures features(argc > 2 ? argv[2] : "");
  auto scanned = data::scan_dataset(argv[1]);
  if (argc > 3) correct(scanned, argv[3]);
  data::ImageStore store(std::move(scanned), {data::kNearTwinSpec, features.spec()});
  const auto& dataset = store.dataset();
  const int classes = dataset.num_classes();
  std::vector<int> labels, order(size_t(dataset.size()));
  for (const auto& sample : dataset.samples) labels.push_back(sample.label);
  std::iota(order.begin(), order.end(), 0);
  const auto table = features.compute(store, order, false, [](int64_t) {});
  const auto scaled = study::scaled_features(table, features.standardised());
  const auto twins = data::find_near_twins(store).group;
  const auto check_of = [&](const std::vector<int>& own) {
    return study::LabelCheck(scaled, study::check_groups(dataset, own, twins), 0);
  };
  const study::LabelCheck truth = check_of(labels);
  const Planter planter(dataset, twins, similar_classes(truth, labels, classes));
  fmt::print(
      "Compared by {}; means of {} seeds; recall in the first N (in the first 2N), N as many as were "
      "planted.\n\n",
      features.description(), kSeeds);
  fmt::print("| errors | 1% | 3% | 5% | 10% |\n|---|---|---|---|---|\n");
  for (const std::string kind : {"uniform", "similar", "twins", "takes", "systematic"}) {
    fmt::print("| {} |", kind);
    for (const double share : {0.01, 0.03, 0.05, 0.1}) {
      Found mean;
      for (uint64_t seed = 0; seed < kSeeds; ++seed) {
        const auto planted = planter.plant(kind, share, seed);
        const auto found = count_found(check_of(planted.labels).judge(planted.labels, classes), planted);
        mean.first += found.first / kSeeds;
        mean.twice += found.twice / kSeeds;
      }
      fmt::print(" {:.3f} ({:.3f}) |", mean.first, mean.twice);
      std::fflush(stdout);
    }
    fmt::print("\n");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const Error& error) {
    fmt::print(stderr, "check_labels: {}\n", error.what());
    return 2;
  }
}
