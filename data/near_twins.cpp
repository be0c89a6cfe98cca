#include "data/near_twins.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <tuple>

#include "data/small_images.h"
#include "kernels/parallel.h"

namespace signet::data {
namespace {

double distance_of(int64_t squared) {
  return std::sqrt(double(squared) / double(kTwinBytes)) / 255;
}

/// Sets of numbers that are joined step by step, each known by its least member.
class Joined {
 public:
  explicit Joined(size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), 0); }

  int find(int i) {
    while (parent_[size_t(i)] != i) {
      parent_[size_t(i)] = parent_[size_t(parent_[size_t(i)])];
      i = parent_[size_t(i)];
    }
    return i;
  }

  void join(int a, int b) {
    a = find(a);
    b = find(b);
    parent_[size_t(std::max(a, b))] = std::min(a, b);
  }

  std::vector<int> numbers() {
    std::vector<int> number(parent_.size());
    int next = 0;
    for (size_t i = 0; i < parent_.size(); ++i) {
      const int root = find(int(i));
      number[i] = root == int(i) ? next++ : number[size_t(root)];
    }
    return number;
  }

 private:
  std::vector<int> parent_;
};

/// Near-twins of one image among those after it.
struct Row {
  std::vector<TwinPair> closest;
  std::vector<int> others;  ///< too far to be kept as pairs, and needed for the groups
};

bool closer(const TwinPair& a, const TwinPair& b) {
  return std::tuple(a.distance, a.first, a.second) < std::tuple(b.distance, b.first, b.second);
}

}  // namespace

NearTwins find_near_twins(const ImageStore& store) {
  const auto count = store.dataset().size();
  const auto pixels = small_images(store);
  NearTwins twins;
  Joined joined(static_cast<size_t>(count));
  // A block of rows at a time: a data set of copies of one image has as many others as there are pairs.
  constexpr int64_t kBlock = 256;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    std::vector<Row> rows(size_t(std::min(kBlock, count - begin)));
    parallel_for(int64_t(rows.size()), [&](int64_t r) {
      Row& row = rows[size_t(r)];
      const int64_t i = begin + r;
      for (int64_t j = i + 1; j < count; ++j) {
        const int64_t squared =
            squared_difference(pixels.data() + i * kTwinBytes, pixels.data() + j * kTwinBytes, kTwinLimit);
        if (squared > kTwinLimit) continue;
        row.closest.push_back({int(i), int(j), distance_of(squared)});
        row.others.push_back(int(j));
      }
      const size_t kept = std::min<size_t>(row.closest.size(), kMostTwinsAnImage);
      std::partial_sort(row.closest.begin(), row.closest.begin() + ptrdiff_t(kept), row.closest.end(),
                        closer);
      row.closest.resize(kept);
    });
    for (size_t r = 0; r < rows.size(); ++r) {
      for (const int other : rows[r].others) joined.join(int(begin) + int(r), other);
      twins.pairs.insert(twins.pairs.end(), rows[r].closest.begin(), rows[r].closest.end());
      twins.pair_count += int64_t(rows[r].others.size());
    }
  }
  std::sort(twins.pairs.begin(), twins.pairs.end(), closer);
  twins.group = joined.numbers();
  return twins;
}

std::vector<int> find_mirror_twins(const ImageStore& store) {
  const auto count = store.dataset().size();
  const auto pixels = small_images(store), mirrored = small_images(store, true);
  std::vector<int> nearest(static_cast<size_t>(count), -1);
  parallel_for(count, [&](int64_t i) {
    int64_t limit = kTwinLimit;
    for (int64_t j = 0; j < count; ++j) {
      const int64_t squared =
          squared_difference(mirrored.data() + i * kTwinBytes, pixels.data() + j * kTwinBytes, limit);
      if (squared > limit || (squared == limit && nearest[size_t(i)] >= 0)) continue;
      limit = squared;
      nearest[size_t(i)] = int(j);
    }
  });
  return nearest;
}

std::vector<int> join_groups(const std::vector<std::vector<int>>& lists) {
  if (lists.empty()) throw std::invalid_argument("[join_groups] there is no list");
  Joined joined(lists.front().size());
  for (const auto& list : lists) {
    if (list.size() != lists.front().size()) {
      throw std::invalid_argument("[join_groups] the lists have different lengths");
    }
    std::vector<int> first;
    for (size_t i = 0; i < list.size(); ++i) {
      if (list[i] < 0) continue;
      if (size_t(list[i]) >= first.size()) first.resize(size_t(list[i]) + 1, -1);
      int& leader = first[size_t(list[i])];
      if (leader < 0) leader = int(i);
      joined.join(leader, int(i));
    }
  }
  return joined.numbers();
}

}  // namespace signet::data
