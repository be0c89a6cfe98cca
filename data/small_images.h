#pragma once
// The images of a data set as near-twins are sought among them, and the comparison itself.

#include <cstdint>
#include <span>
#include <vector>

#include "data/leakage.h"

namespace signet::data {

inline constexpr int64_t kTwinBytes = kNearTwinSpec.bytes();

/// The greatest sum of squared differences of near-twins.
inline constexpr auto kTwinLimit =
    int64_t(kNearTwinDistance * kNearTwinDistance * 255 * 255 * double(kTwinBytes));

/// The images in the twin form, [count, kTwinBytes], or their mirror images. Rows are kept in an order that
/// jumps over the picture, so that two different pictures part soon.
std::vector<uint8_t> small_images(const ImageStore& store, bool mirrored = false);

/// The sum of squared differences of two such images if it is at most `limit`, else any number above it.
inline int64_t squared_difference(const uint8_t* a, const uint8_t* b, int64_t limit) {
  constexpr int64_t kStep = kTwinBytes / 16;
  int64_t sum = 0;
  for (int64_t first = 0; first < kTwinBytes && sum <= limit; first += kStep) {
    int part = 0;
    for (int64_t i = first; i < first + kStep; ++i) {
      const int difference = int(a[i]) - int(b[i]);
      part += difference * difference;
    }
    sum += part;
  }
  return sum;
}

}  // namespace signet::data
