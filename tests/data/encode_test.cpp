#include "data/encode.h"

#include <cstdlib>

#include "data/decode.h"
#include "tests/data/fixtures.h"

using namespace signet::data;

namespace {

/// A picture without edges, which JPEG keeps well: red grows to the right, green downwards.
Image gradient(int height, int width, int channels) {
  Image image{height, width, channels, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c)
        image.pixels.push_back(uint8_t(c == 0 ? x * 4 : c == 1 ? y * 4 : 90));
    }
  }
  return image;
}

int largest_difference(const Image& a, const Image& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  int largest = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i)
    largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  return largest;
}

TEST_CASE("PNG keeps every pixel, JPEG a smooth picture within a few steps") {
  const Image image = gradient(37, 61, 3);
  const Image png = decode_image(encode_png(image), "a.png");
  CHECK(png.pixels == image.pixels);
  const Image jpeg = decode_image(encode_jpeg(image, 95), "a.jpg");
  CHECK(jpeg.height == 37);
  CHECK(jpeg.width == 61);
  // At quality 95 the coefficients of the lowest frequencies are rounded to steps of 2.
  CHECK(largest_difference(jpeg, image) <= 6);
  CHECK(encode_jpeg(image, 30).size() < encode_jpeg(image, 95).size());
  const Image grey = decode_image(encode_jpeg(gradient(16, 16, 1), 90), "grey.jpg");
  CHECK(std::abs(grey.pixels[3 * 10] - 40) <= 6);
}

TEST_CASE("an image that cannot be written is the caller's mistake") {
  Image image = gradient(4, 4, 3);
  CHECK_THROWS_AS(encode_jpeg(image, 0), std::invalid_argument);
  CHECK_THROWS_AS(encode_jpeg(image, 101), std::invalid_argument);
  image.pixels.pop_back();
  CHECK_THROWS_AS(encode_jpeg(image, 90), std::invalid_argument);
  CHECK_THROWS_AS(encode_png(image), std::invalid_argument);
}

}  // namespace
