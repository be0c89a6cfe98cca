#pragma once
// A coarse map of numbers laid over a picture, as Grad-CAM's pictures show it.

#include <span>
#include <vector>

#include "data/image.h"

namespace signet::data {

/// How much each place of a picture counts: values [height, width], from 0 to 1.
struct Heatmap {
  int height = 0, width = 0;
  std::vector<float> values;
};

/// The picture (RGB) in colours from violet over orange to yellow where the map, spread over it bilinearly,
/// is high, and as it is where the map is 0. Throws std::invalid_argument for a picture or a map that is
/// empty or does not fit its shape.
Image draw_heat(const Image& picture, const Heatmap& heat);

}  // namespace signet::data
