#include "data/decode.h"

#include <array>

#include "data/encode.h"
#include "tests/data/fixtures.h"
#include "tests/data/jpeg_files.h"

using namespace signet::data;

namespace {

void append_u32(std::string& bytes, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes += char(value >> shift);
}

uint32_t crc32(const std::string& bytes) {
  uint32_t c = ~0u;
  for (const char b : bytes) {
    c ^= uint8_t(b);
    for (int bit = 0; bit < 8; ++bit) c = (c & 1) ? 0xEDB88320u ^ (c >> 1) : c >> 1;
  }
  return ~c;
}

std::string chunk(const std::string& kind, const std::string& content) {
  std::string bytes;
  append_u32(bytes, uint32_t(content.size()));
  bytes += kind + content;
  append_u32(bytes, crc32(kind + content));
  return bytes;
}

constexpr int kGrey = 0, kRgb = 2, kPalette = 3, kGreyAlpha = 4, kRgbAlpha = 6;  // colour types of PNG

/// A PNG file with its scan lines (each after a filter byte) stored without compression.
std::string png_file(uint32_t width, uint32_t height, int depth, int colour, const std::string& lines,
                     const std::string& chunks = "") {
  std::string header;
  append_u32(header, width);
  append_u32(header, height);
  header += {char(depth), char(colour), 0, 0, 0};
  std::string data{0x78, 0x01, 0x01, char(lines.size()), char(lines.size() >> 8)};
  data += {char(~lines.size()), char(~lines.size() >> 8)};
  data += lines;
  uint32_t a = 1, b = 0;
  for (const char c : lines) {
    a = (a + uint8_t(c)) % 65521;
    b = (b + a) % 65521;
  }
  append_u32(data, b << 16 | a);
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + chunks + chunk("IDAT", data) + chunk("IEND", "");
}

std::string bytes(std::initializer_list<int> values) {
  std::string result;
  for (const int value : values) result += char(value);
  return result;
}

using Pixel = std::array<int, 3>;

Pixel pixel(const Image& image, int y, int x) {
  const size_t at = (size_t(y) * size_t(image.width) + size_t(x)) * 3;
  return {image.pixels.at(at), image.pixels.at(at + 1), image.pixels.at(at + 2)};
}

bool near(Pixel a, Pixel b, int tolerance) {
  for (size_t c = 0; c < 3; ++c) {
    if (std::abs(a[c] - b[c]) > tolerance) return false;
  }
  return true;
}

std::string reason(const std::string& file) {
  return error_of([&] { decode_image(file, "folder/a.jpg"); });
}

}  // namespace

TEST_CASE("JPEG in every colour form becomes RGB") {
  // Expected colours are Pillow's; decoders may differ by a few levels at quality 75.
  for (const char* file : {kRgbJpeg, kProgressiveJpeg, kCmykJpeg}) {
    const Image image = decode_image(from_hex(file), "a.jpg");
    CHECK(image.height == 8);
    CHECK(image.width == 8);
    CHECK(image.channels == 3);
    CHECK(near(pixel(image, 0, 0), {202, 41, 30}, 4));
    CHECK(near(pixel(image, 7, 7), {19, 58, 216}, 6));
  }
  const Image grey = decode_image(from_hex(kGreyJpeg), "a.jpg");
  CHECK(grey.channels == 3);
  CHECK(near(pixel(grey, 0, 0), {88, 88, 88}, 2));
  CHECK(near(pixel(grey, 7, 7), {64, 64, 64}, 2));
}

TEST_CASE("PNG in every colour form becomes RGB, transparency on black") {
  const auto decode = [](const std::string& file) { return decode_image(file, "a.png"); };
  CHECK(pixel(decode(png_file(1, 1, 8, kRgb, bytes({0, 10, 20, 30}))), 0, 0) == Pixel{10, 20, 30});
  CHECK(pixel(decode(png_file(1, 1, 8, kGrey, bytes({0, 77}))), 0, 0) == Pixel{77, 77, 77});
  CHECK(pixel(decode(png_file(2, 1, 8, kRgbAlpha, bytes({0, 200, 100, 50, 0, 200, 101, 50, 128}))), 0, 0) ==
        Pixel{0, 0, 0});
  CHECK(pixel(decode(png_file(2, 1, 8, kRgbAlpha, bytes({0, 200, 100, 50, 0, 200, 101, 50, 128}))), 0, 1) ==
        Pixel{100, 51, 25});
  CHECK(pixel(decode(png_file(1, 1, 8, kGreyAlpha, bytes({0, 200, 128}))), 0, 0) == Pixel{100, 100, 100});
  CHECK(pixel(decode(png_file(1, 1, 16, kRgb, bytes({0, 10, 99, 20, 0, 30, 255}))), 0, 0) ==
        Pixel{10, 20, 30});
  CHECK(pixel(decode(png_file(1, 1, 16, kGrey, bytes({0, 77, 200}))), 0, 0) == Pixel{77, 77, 77});
  const std::string palette = chunk("PLTE", bytes({1, 2, 3, 40, 50, 60}));
  CHECK(pixel(decode(png_file(2, 1, 8, kPalette, bytes({0, 1, 0}), palette)), 0, 0) == Pixel{40, 50, 60});
}

TEST_CASE("write_png is read back exactly") {
  const TemporaryFolder folder;
  for (const int channels : {1, 3}) {
    const Image image = random_image(3, 7, 5, channels);
    write_png(folder.path() / "new" / "a.png", image);
    const Image back = load_image(folder.path() / "new" / "a.png");
    CHECK(to_grey(back).pixels == to_grey(image).pixels);
    if (channels == 3) CHECK(back.pixels == image.pixels);
  }
  CHECK_THROWS_AS(encode_png(Image{}), std::invalid_argument);
  CHECK_THROWS_AS(encode_png(Image{2, 2, 3, {1, 2, 3}}), std::invalid_argument);
}

TEST_CASE("what is no image is refused by name and reason") {
  CHECK(reason("").starts_with("folder/a.jpg: is an empty file"));
  CHECK(reason("just some text").starts_with("folder/a.jpg: is not a JPEG or PNG"));
  CHECK(reason(from_hex(kRgbJpeg).substr(0, 2)).starts_with("folder/a.jpg: is not a JPEG"));
  CHECK(contains(error_of([] { load_image("/nowhere/a.jpg"); }), "/nowhere/a.jpg"));
}

TEST_CASE("a file cut short anywhere is refused") {
  for (const char* hex : {kRgbJpeg, kProgressiveJpeg, kGreyJpeg}) {
    const std::string whole = from_hex(hex);
    for (size_t length = 3; length < whole.size(); ++length) {
      CAPTURE(length);
      CHECK(contains(reason(whole.substr(0, length)), "cut short"));
    }
    CHECK_NOTHROW(decode_image(whole + "bytes after the end", "a.jpg"));
  }
  const std::string png = encode_png(random_image(4, 6, 6, 3));
  for (size_t length = 8; length < png.size(); ++length) {
    CAPTURE(length);
    CHECK(contains(reason(png.substr(0, length)), "cut short"));
  }
}

TEST_CASE("an end marker inside a segment does not end a JPEG") {
  const std::string whole = from_hex(kRgbJpeg);
  const std::string comment = bytes({0xFF, 0xFE, 0, 4, 0xFF, 0xD9});
  const std::string file = whole.substr(0, 2) + comment + whole.substr(2);
  CHECK_NOTHROW(decode_image(file, "a.jpg"));
  CHECK(contains(reason(file.substr(0, file.size() - 2)), "cut short"));
}

TEST_CASE("damage is refused") {
  std::string png = encode_png(random_image(5, 6, 6, 3));
  png[45] = char(png[45] ^ 1);
  CHECK(contains(reason(png), "check sum"));

  std::string jpeg = from_hex(kRgbJpeg);
  const size_t table = jpeg.find("\xFF\xC4");
  jpeg.replace(table + 5, 16, 16, '\xFF');  // more codes than there can be
  CHECK(contains(reason(jpeg), "wrong Huffman table"));
  jpeg = from_hex(kRgbJpeg);
  jpeg[table + 3] = 10;  // a segment that ends within its table
  CHECK(contains(reason(jpeg), "wrong Huffman table"));
  jpeg = from_hex(kRgbJpeg);
  jpeg[table + 4] = 3;  // the table goes by another number than the scan uses
  CHECK(contains(reason(jpeg), "wrong scan header"));
  jpeg = from_hex(kRgbJpeg);
  jpeg.replace(table + 5, 16,
               std::string("\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 15) + '\x00');
  CHECK(contains(reason(jpeg), "folder/a.jpg: "));  // three codes of one bit

  // The right form, check sums and all, but no compressed pixels inside.
  CHECK(contains(reason(png_file(9, 9, 8, kRgb, bytes({0, 1}))), "cannot be decoded"));
}

TEST_CASE("impossible sizes are refused before memory is asked for") {
  CHECK(contains(reason(png_file(12000, 12000, 8, kRgb, "")), "12000x12000"));
  CHECK(contains(reason(png_file(0, 5, 8, kRgb, "")), "folder/a.jpg: "));
  CHECK(contains(reason(png_file(1u << 30, 1u << 30, 8, kRgb, "")), "folder/a.jpg: "));

  std::string jpeg = from_hex(kRgbJpeg);
  const size_t frame = jpeg.find("\xFF\xC0");
  REQUIRE(frame != jpeg.npos);
  std::string huge = jpeg, flat = jpeg;
  huge.replace(frame + 5, 4, bytes({0xFF, 0xFF, 0xFF, 0xFF}));
  CHECK(contains(reason(huge), "65535x65535"));
  flat.replace(frame + 7, 2, bytes({0, 0}));
  CHECK(contains(reason(flat), "folder/a.jpg: "));
}
