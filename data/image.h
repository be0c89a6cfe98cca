#pragma once
// Images as the decoder gives them, and the two operations that every network's input needs.

#include <cstdint>
#include <vector>

namespace signet::data {

/// An 8-bit image: pixels [height, width, channels], channels 1 (grey) or 3 (red, green, blue).
struct Image {
  int height = 0, width = 0, channels = 0;
  std::vector<uint8_t> pixels;
};

/// The luma of an RGB image, by the ITU-R 601 weights in 16-bit fixed point as Pillow's mode L rounds them:
/// (19595 R + 38470 G + 7471 B + 32768) >> 16. A grey image comes back as it is.
Image to_grey(const Image& image);

/// The image drawn at [height, width] by Pillow's antialiased bilinear filter, to the bit: a triangle whose
/// support grows with the reduction, rows first, then columns, 8 bits between the two, coefficients of 22
/// fractional bits. Throws std::invalid_argument for an empty image or target.
Image resize(const Image& image, int height, int width);

}  // namespace signet::data
