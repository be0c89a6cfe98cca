#pragma once
// Random variations of training images, as one warp an image.

#include <cstdint>
#include <string_view>

#include "kernels/kernels.h"

namespace signet::data {

/// How far training images vary. Names and meanings follow torchvision and Ultralytics.
struct Augmentation {
  double fliplr = 0.5;     ///< probability of a mirror image
  double degrees = 15;     ///< rotation about the centre, uniform in [-degrees, degrees]
  double translate = 0.1;  ///< shift along each axis, uniform, as a fraction of the size
  double scale = 0;        ///< factor of size, uniform in [1 - scale, 1 + scale]
  double brightness = 0;   ///< factor of brightness, uniform in [1 - brightness, 1 + brightness]
  double contrast = 0;     ///< factor of contrast, uniform in [1 - contrast, 1 + contrast]
  bool nearest = false;    ///< take the nearest pixel (torchvision's default) instead of interpolating
};

/// The key of an image's random draws, from its path relative to the data set's root.
uint64_t image_key(std::string_view path);

/// The warp of one image in one epoch, for images [height, width]: flip, then rotation about the centre, then
/// scale, then translation, in one inverse matrix; brightness, then contrast. A pure function of its
/// arguments: no other image, order, fold or thread changes it, and each draw has a place of its own, so that
/// changing one option leaves the others' draws alone. Throws std::invalid_argument for options out of range
/// (fliplr outside [0, 1], scale outside [0, 1), anything negative or not finite).
ImageWarp draw_warp(const Augmentation& augmentation, uint64_t seed, int64_t epoch, uint64_t key, int height,
                    int width);

}  // namespace signet::data
