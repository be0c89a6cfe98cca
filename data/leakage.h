#pragma once
// How much of a validation figure is memory: the share of validation images that training has nearly seen.

#include <cstdint>
#include <span>

#include "data/store.h"

namespace signet::data {

/// Two images are near-twins when the root mean square difference of their 32x32 RGB pixels, on a scale of 0
/// to 1, is at most this. Chosen on the ASL data set: the nearest other take of the same class, signer and
/// light lies within it for more than three images in four, the nearest image of any other light, signer or
/// class for fewer than two in a hundred.
inline constexpr double kNearTwinDistance = 0.06;

/// The form in which near-twins are sought; give it to the store to have the images at hand.
inline constexpr ImageSpec kNearTwinSpec{32, 3};

struct Leakage {
  int64_t validation_images = 0;  ///< over all folds
  int64_t near_twins = 0;         ///< of these, with a near-twin by pixels in their fold's training part
  int64_t siblings = 0;           ///< of these, with another take of their class, signer and light in it
  int64_t named = 0;              ///< of these, whose name tells signer and light (others have no siblings)

  double near_twin_share() const { return share(near_twins); }
  double sibling_share() const { return share(siblings); }

 private:
  double share(int64_t count) const {
    return validation_images == 0 ? 0.0 : double(count) / double(validation_images);
  }
};

/// Counts, over all folds, the validation images with a near-twin or a sibling in their fold's training part.
/// `folds` is what make_folds gave for the store's data set. Every pair is compared; the result does not
/// depend on the number of threads. Throws std::invalid_argument for folds of another length.
Leakage measure_leakage(const ImageStore& store, std::span<const int> folds);

}  // namespace signet::data
