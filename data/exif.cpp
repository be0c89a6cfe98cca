#include "data/exif.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace signet::data {
namespace {

constexpr int kUpright = 1;
constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kShortType = 3;
constexpr size_t kEntryBytes = 12;

uint32_t number(std::string_view bytes, size_t at, size_t count, bool little_endian) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    value = value << 8 | uint8_t(bytes[at + (little_endian ? count - 1 - i : i)]);
  }
  return value;
}

/// Reads the tag from the first directory of EXIF data, which is a TIFF file without a picture.
int orientation_of_tiff(std::string_view tiff) {
  const bool little = tiff.starts_with(std::string_view("II*\0", 4));
  if (!little && !tiff.starts_with(std::string_view("MM\0*", 4))) return kUpright;
  if (tiff.size() < 8) return kUpright;
  const size_t directory = number(tiff, 4, 4, little);
  if (directory > tiff.size() || tiff.size() - directory < 2) return kUpright;
  const size_t entries = number(tiff, directory, 2, little);
  for (size_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + i * kEntryBytes;
    if (at + kEntryBytes > tiff.size()) return kUpright;
    if (number(tiff, at, 2, little) != kOrientationTag) continue;
    if (number(tiff, at + 2, 2, little) != kShortType || number(tiff, at + 4, 4, little) != 1)
      return kUpright;
    const uint32_t orientation = number(tiff, at + 8, 2, little);
    return orientation >= 1 && orientation <= 8 ? int(orientation) : kUpright;
  }
  return kUpright;
}

/// The segments before the first scan; EXIF data is the one called APP1 that begins with "Exif".
int orientation_of_jpeg(std::string_view file) {
  constexpr std::string_view kExif("Exif\0\0", 6);
  size_t at = 2;
  while (at + 4 <= file.size() && uint8_t(file[at]) == 0xFF) {
    const int marker = uint8_t(file[at + 1]);
    if (marker == 0xFF) {
      ++at;  // a fill byte
      continue;
    }
    if (marker == 0xDA || marker == 0xD9) break;
    const size_t length = number(file, at + 2, 2, false);
    if (length < 2 || file.size() - at - 2 < length) break;
    const auto content = file.substr(at + 4, length - 2);
    if (marker == 0xE1 && content.starts_with(kExif))
      return orientation_of_tiff(content.substr(kExif.size()));
    at += 2 + length;
  }
  return kUpright;
}

/// The chunks of the file; EXIF data is the one called eXIf (PNG specification, third edition, 11.3.3.6).
int orientation_of_png(std::string_view file) {
  size_t at = 8;
  while (at + 12 <= file.size()) {
    const size_t length = number(file, at, 4, false);
    if (length > file.size() - at - 12) break;
    if (file.substr(at + 4, 4) == "eXIf") return orientation_of_tiff(file.substr(at + 8, length));
    at += 12 + length;
  }
  return kUpright;
}

}  // namespace

int exif_orientation(std::string_view file) {
  if (file.starts_with("\xFF\xD8\xFF")) return orientation_of_jpeg(file);
  if (file.starts_with("\x89PNG\r\n\x1a\n")) return orientation_of_png(file);
  return kUpright;
}

Image turn_upright(Image image, int orientation) {
  if (orientation < 1 || orientation > 8) {
    throw std::invalid_argument(
        fmt::format("[turn_upright] orientation {} is not within 1 and 8", orientation));
  }
  if (orientation == kUpright) return image;
  // What the stored first row and first column are in the picture: 2 top and right, 3 bottom and right,
  // 4 bottom and left, 5 left and top, 6 right and top, 7 right and bottom, 8 left and bottom.
  const bool swapped = orientation >= 5;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Image upright{swapped ? image.width : image.height, swapped ? image.height : image.width, image.channels,
                std::vector<uint8_t>(image.pixels.size())};
  const auto channels = size_t(image.channels);
  uint8_t* out = upright.pixels.data();
  for (int y = 0; y < upright.height; ++y) {
    for (int x = 0; x < upright.width; ++x, out += channels) {
      const int row = swapped ? x : y, column = swapped ? y : x;
      const auto stored_row = size_t(from_bottom ? image.height - 1 - row : row);
      const auto stored_column = size_t(from_right ? image.width - 1 - column : column);
      std::memcpy(out, image.pixels.data() + (stored_row * size_t(image.width) + stored_column) * channels,
                  channels);
    }
  }
  return upright;
}

}  // namespace signet::data
