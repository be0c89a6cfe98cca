#include "data/image.h"

#include <cmath>
#include <stdexcept>

#include "tests/data/fixtures.h"

using namespace signet::data;

namespace {

/// One pass of the antialiased filter along an axis of `in` pixels, from its definition: weights of a
/// triangle over the inputs' centres, in double, rounded half up to 8 bits.
std::vector<uint8_t> filter_line(const std::vector<uint8_t>& in, int outputs) {
  const double step = double(in.size()) / outputs, support = std::max(step, 1.0);
  std::vector<uint8_t> out;
  for (int o = 0; o < outputs; ++o) {
    double sum = 0, weights = 0;
    for (size_t i = 0; i < in.size(); ++i) {
      const double w = std::max(0.0, 1 - std::abs(double(i) + 0.5 - (o + 0.5) * step) / support);
      sum += w * in[i];
      weights += w;
    }
    out.push_back(uint8_t(std::floor(sum / weights + 0.5)));
  }
  return out;
}

Image filter_image(const Image& image, int height, int width) {
  const auto at = [](const Image& im, int y, int x, int c) {
    return (size_t(y) * size_t(im.width) + size_t(x)) * size_t(im.channels) + size_t(c);
  };
  Image narrow{image.height, width, image.channels, {}};
  narrow.pixels.resize(size_t(image.height) * size_t(width) * size_t(image.channels));
  Image out{height, width, image.channels, {}};
  out.pixels.resize(size_t(height) * size_t(width) * size_t(image.channels));
  for (int c = 0; c < image.channels; ++c) {
    for (int y = 0; y < image.height; ++y) {
      std::vector<uint8_t> line;
      for (int x = 0; x < image.width; ++x) line.push_back(image.pixels[at(image, y, x, c)]);
      line = filter_line(line, width);
      for (int x = 0; x < width; ++x) narrow.pixels[at(narrow, y, x, c)] = line[size_t(x)];
    }
    for (int x = 0; x < width; ++x) {
      std::vector<uint8_t> line;
      for (int y = 0; y < image.height; ++y) line.push_back(narrow.pixels[at(narrow, y, x, c)]);
      line = filter_line(line, height);
      for (int y = 0; y < height; ++y) out.pixels[at(out, y, x, c)] = line[size_t(y)];
    }
  }
  return out;
}

int largest_difference(const Image& a, const Image& b) {
  REQUIRE(a.height == b.height);
  REQUIRE(a.width == b.width);
  REQUIRE(a.channels == b.channels);
  REQUIRE(a.pixels.size() == b.pixels.size());
  int largest = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(int(a.pixels[i]) - int(b.pixels[i])));
  }
  return largest;
}

}  // namespace

TEST_CASE("grey follows the ITU-R 601 weights in fixed point") {
  const Image image{1, 5, 3, {255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30}};
  const Image grey = to_grey(image);
  CHECK(grey.channels == 1);
  CHECK(grey.pixels == std::vector<uint8_t>{255, 76, 150, 29, 18});
  CHECK(to_grey(grey).pixels == grey.pixels);
}

TEST_CASE("resize is the antialiased triangle filter, at any size") {
  struct Size {
    int height, width;
  };
  uint64_t seed = 0;
  for (const int channels : {1, 3}) {
    for (const Size from : {Size{17, 11}, {1, 1}, {40, 33}, {64, 70}, {2, 90}}) {
      const Image image = random_image(seed++, from.height, from.width, channels);
      for (const Size to : {Size{5, 7}, {1, 1}, {17, 11}, {33, 40}, {17, 5}, {9, 11}}) {
        CAPTURE(from.height);
        CAPTURE(from.width);
        CAPTURE(to.height);
        CAPTURE(to.width);
        // One level: fixed-point weights may round the other way, and a level of the first pass carries over.
        CHECK(largest_difference(resize(image, to.height, to.width),
                                 filter_image(image, to.height, to.width)) <= 1);
      }
    }
  }
}

TEST_CASE("resize to the same size changes nothing, and constants stay constant") {
  const Image image = random_image(9, 13, 8, 3);
  CHECK(resize(image, 13, 8).pixels == image.pixels);
  const Image white{30, 50, 1, std::vector<uint8_t>(1500, 255)};
  CHECK(resize(white, 7, 9).pixels == std::vector<uint8_t>(63, 255));
}

TEST_CASE("resize refuses what has no pixels") {
  CHECK_THROWS_AS(resize(Image{}, 4, 4), std::invalid_argument);
  CHECK_THROWS_AS(resize(random_image(0, 2, 2, 3), 0, 4), std::invalid_argument);
  CHECK_THROWS_AS(resize(Image{1, 1, 2, {0, 0}}, 4, 4), std::invalid_argument);
}
