#include "data/exif.h"

#include <array>

#include "data/decode.h"
#include "data/encode.h"
#include "tensor/hash.h"
#include "tests/data/fixtures.h"

using namespace signet;
using namespace signet::data;

namespace {

std::string number(uint32_t value, size_t count, bool little_endian) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes += char(value >> 8 * (little_endian ? i : count - 1 - i));
  return bytes;
}

/// EXIF data of two tags, the orientation the second.
std::string tiff(int orientation, bool little_endian) {
  const auto n = [&](uint32_t value, size_t count) { return number(value, count, little_endian); };
  std::string bytes = little_endian ? "II" : "MM";
  bytes += n(42, 2) + n(8, 4) + n(2, 2);
  bytes += n(0x0100, 2) + n(4, 2) + n(1, 4) + n(640, 4);
  bytes += n(0x0112, 2) + n(3, 2) + n(1, 4) + n(uint32_t(orientation), 2) + n(0, 2);
  return bytes + n(0, 4);
}

std::string into_jpeg(const std::string& jpeg, const std::string& exif) {
  const std::string content = std::string("Exif\0\0", 6) + exif;
  return jpeg.substr(0, 2) + "\xFF\xE1" + number(uint32_t(content.size() + 2), 2, false) + content +
         jpeg.substr(2);
}

std::string into_png(const std::string& png, const std::string& exif) {
  const size_t after_header = 8 + 25;
  const std::string content = "eXIf" + exif;
  return png.substr(0, after_header) + number(uint32_t(exif.size()), 4, false) + content +
         number(crc32(content), 4, false) + png.substr(after_header);
}

/// A picture of 2x3 fields, each of another brightness, as `names` says line by line.
Image fields(int rows, int columns, const std::string& names) {
  constexpr int kSide = 16;  // JPEG's blocks, with subsampled colour
  Image image{rows * kSide, columns * kSide, 3, {}};
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const char name = names[size_t(y / kSide * columns + x / kSide)];
      image.pixels.insert(image.pixels.end(), 3, uint8_t(30 + 40 * (name - 'a')));
    }
  }
  return image;
}

/// The names of the fields again, line by line.
std::string names_of(const Image& image) {
  std::string names;
  for (int y = 8; y < image.height; y += 16) {
    for (int x = 8; x < image.width; x += 16) {
      names += char('a' + (image.pixels[size_t(y * image.width + x) * 3] - 10) / 40);
    }
    names += y + 16 < image.height ? "/" : "";
  }
  return names;
}

// How the fields abc/def lie in a file of each orientation, and so how a reader who ignores it sees them. By
// the standard's words: in 6, the stored first row is the right side of the picture, its first column the
// top.
constexpr std::array<const char*, 9> kStored{"",         "abc/def",  "cba/fed",  "fed/cba", "def/abc",
                                             "ad/be/cf", "cf/be/ad", "fc/eb/da", "da/eb/fc"};

Image stored(int orientation) {
  std::string names = kStored[size_t(orientation)];
  std::erase(names, '/');
  return orientation < 5 ? fields(2, 3, names) : fields(3, 2, names);
}

TEST_CASE("pictures of all eight orientations come out upright, from JPEG and PNG, in both byte orders") {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const Image lying = stored(orientation);
    REQUIRE(names_of(lying) == kStored[size_t(orientation)]);
    for (const bool little_endian : {true, false}) {
      const auto exif = tiff(orientation, little_endian);
      const auto jpeg = into_jpeg(encode_jpeg(lying, 95), exif);
      CHECK(exif_orientation(jpeg) == orientation);
      CHECK(names_of(decode_image(jpeg, "a.jpg")) == "abc/def");
      const Image png = decode_image(into_png(encode_png(lying), exif), "a.png");
      CHECK(names_of(png) == "abc/def");
      CHECK(png.height == 32);
      CHECK(png.width == 48);
    }
  }
}

TEST_CASE("EXIF data that makes no sense leaves the picture as it is stored") {
  const std::string plain = encode_jpeg(stored(1), 95);
  CHECK(exif_orientation(plain) == 1);
  CHECK(exif_orientation("") == 1);
  CHECK(exif_orientation("\xFF\xD8\xFF") == 1);
  CHECK(exif_orientation(into_jpeg(plain, tiff(0, true))) == 1);
  CHECK(exif_orientation(into_jpeg(plain, tiff(9, true))) == 1);
  std::string far = tiff(6, true);
  far[7] = '\x7f';  // the directory would begin 2 GB further on
  CHECK(exif_orientation(into_jpeg(plain, far)) == 1);
  std::string many = tiff(6, true);
  many[8] = '\xff', many[9] = '\xff', many[22] = '\x13';  // 65535 entries, none of them the orientation
  CHECK(exif_orientation(into_jpeg(plain, many)) == 1);
  std::string of_text = tiff(6, true);
  of_text[24] = 2;
  CHECK(exif_orientation(into_jpeg(plain, of_text)) == 1);
  // Cut anywhere, nothing is read beyond the end (the sanitized run sees that).
  const std::string whole = into_jpeg(plain, tiff(6, false));
  for (size_t length = 0; length < 100; ++length) {
    const int found = exif_orientation(std::string(whole, 0, length));
    CHECK((found == 1 || found == 6));
  }
  CHECK_THROWS_AS(turn_upright(stored(1), 9), std::invalid_argument);
}

}  // namespace
