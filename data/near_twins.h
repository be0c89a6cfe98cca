#pragma once
// Images of a data set that look alike to the eye: near-twins, and the groups that they form.

#include <cstdint>
#include <vector>

#include "data/leakage.h"
#include "data/store.h"

namespace signet::data {

/// Two images that are near-twins (kNearTwinDistance), by their places in the data set; first < second.
struct TwinPair {
  int first = 0, second = 0;
  double distance = 0;  ///< root mean square difference of 32x32 RGB pixels, 0..1
};

struct NearTwins {
  /// Closest pairs first, pairs as close in the order of their places. An image brings at most
  /// kMostTwinsAnImage pairs of its own, its closest ones.
  std::vector<TwinPair> pairs;
  /// For each image the number of its group: images are in one group when a chain of near-twins joins them.
  /// Groups are numbered from 0 in the order of their first images.
  std::vector<int> group;
  int64_t pair_count = 0;  ///< pairs in all; `pairs` may hold fewer
};

/// A data set of copies of one image has more pairs than memory.
inline constexpr int kMostTwinsAnImage = 8;

/// Compares every pair of images; the result does not depend on the number of threads.
NearTwins find_near_twins(const ImageStore& store);

/// For each image the nearest image to its mirror image that is a near-twin of it, or -1.
std::vector<int> find_mirror_twins(const ImageStore& store);

/// Joins groups: images that have the same number in any of the lists get the same number, from 0 in the
/// order of their first images; -1 stands for no group. Throws std::invalid_argument for lists of different
/// lengths or none.
std::vector<int> join_groups(const std::vector<std::vector<int>>& lists);

}  // namespace signet::data
