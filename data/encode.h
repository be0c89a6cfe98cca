#pragma once
// Images as the bytes of PNG and JPEG files.

#include <filesystem>
#include <string>

#include "data/image.h"

namespace signet::data {

/// The bytes of a PNG file of the image. Throws std::invalid_argument for an empty image or one whose pixels
/// do not fit its shape.
std::string encode_png(const Image& image);

/// The bytes of a baseline JPEG file of the image. `quality` goes from 1 to 100 (colours are subsampled up to
/// 90). Throws std::invalid_argument as above, and for another quality.
std::string encode_jpeg(const Image& image, int quality);

/// Writes the image to `path` as a PNG file, atomically. Throws Error when that fails.
void write_png(const std::filesystem::path& path, const Image& image);

}  // namespace signet::data
