#include "data/encode.h"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "data/decode.h"

namespace signet::data {
namespace {

/// A soft pattern, as photographs have: JPEG keeps it almost.
Image waves(int height, int width, int channels) {
  Image image{height, width, channels, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        image.pixels.push_back(uint8_t(127 + 90 * std::sin(0.1 * x + c) * std::cos(0.07 * y)));
      }
    }
  }
  return image;
}

double mean_difference(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(int(a.pixels[i]) - int(b.pixels[i]));
  return sum / double(a.pixels.size());
}

TEST_CASE("a JPEG is decoded to about the image, and the lower the quality the smaller it is") {
  const Image image = waves(37, 50, 3);
  const std::string fine = encode_jpeg(image, 95), coarse = encode_jpeg(image, 30);
  const Image back = decode_image(fine, "fine");
  REQUIRE(back.height == 37);
  REQUIRE(back.width == 50);
  // Quantisation at this quality moves a soft image by about one step; another image would differ by tens.
  CHECK(mean_difference(image, back) < 3);
  CHECK(mean_difference(image, decode_image(coarse, "coarse")) < 12);
  CHECK(coarse.size() < fine.size());
  CHECK(decode_image(encode_jpeg(waves(8, 8, 1), 90), "grey").width == 8);
}

TEST_CASE("what cannot be a JPEG is refused") {
  CHECK_THROWS_AS(encode_jpeg(Image{}, 80), std::invalid_argument);
  CHECK_THROWS_AS(encode_jpeg(Image{2, 2, 3, {1, 2, 3}}, 80), std::invalid_argument);
  CHECK_THROWS_AS(encode_jpeg(waves(4, 4, 3), 0), std::invalid_argument);
  CHECK_THROWS_AS(encode_jpeg(waves(4, 4, 3), 101), std::invalid_argument);
}

}  // namespace
}  // namespace signet::data
