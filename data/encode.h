#pragma once
// Writing images as PNG or JPEG.

#include <filesystem>
#include <string>

#include "data/image.h"

namespace signet::data {

/// The bytes of a PNG file of the image. Throws std::invalid_argument for an empty image or one whose pixels
/// do not fit its shape.
std::string encode_png(const Image& image);

/// Writes the image to `path`, atomically. Throws Error when that fails.
void write_png(const std::filesystem::path& path, const Image& image);

/// The bytes of a baseline JPEG file of the image, at a quality from 1 to 100. Throws std::invalid_argument
/// as encode_png does, and for another quality.
std::string encode_jpeg(const Image& image, int quality);

}  // namespace signet::data
