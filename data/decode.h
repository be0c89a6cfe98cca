#pragma once
// JPEG and PNG files into RGB images.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "data/image.h"

namespace signet::data {

/// The largest image that is decoded, in pixels: a forged header must not make the program ask for gigabytes.
inline constexpr int64_t kMaxPixels = 100'000'000;

/// Decodes the bytes of a JPEG or PNG file to RGB. Grey is spread over three channels, transparency is
/// composited on black (the background of cut-out hands), 16-bit samples keep their upper byte, CMYK is
/// converted, and an EXIF orientation is obeyed, so that a phone's picture comes out upright (Pillow's
/// `convert("RGB")` leaves it lying; its `ImageOps.exif_transpose` does the same). Throws Error, beginning
/// with `name`, for what is no such image, is damaged or cut short, has no pixels or more than `max_pixels`.
/// Takes no single block of memory of more than about 9 bytes a pixel, whatever the file unpacks to.
Image decode_image(std::string_view bytes, const std::string& name, int64_t max_pixels = kMaxPixels);

/// Reads and decodes a file. Throws Error as above, or when it cannot be read.
Image load_image(const std::filesystem::path& path);

}  // namespace signet::data
