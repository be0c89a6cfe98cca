#pragma once
// Writing images as PNG.

#include <filesystem>
#include <string>

#include "data/image.h"

namespace signet::data {

/// The bytes of a PNG file of the image. Throws std::invalid_argument for an empty image or one whose pixels
/// do not fit its shape.
std::string encode_png(const Image& image);

/// Writes the image to `path`, atomically. Throws Error when that fails.
void write_png(const std::filesystem::path& path, const Image& image);

}  // namespace signet::data
