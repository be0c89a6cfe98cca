// Warps whose result is known without arithmetic.

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/kernels/op_run.h"

using namespace signet;
using namespace signet::test;

namespace {

struct Image {
  int64_t height, width, channels;
  std::vector<uint8_t> pixels;

  /// A pixel in [0, 1], or black outside.
  float at(int64_t row, int64_t col, int64_t c) const {
    if (row < 0 || row >= height || col < 0 || col >= width) return 0;
    return float(pixels[size_t((row * width + col) * channels + c)]) / 255;
  }
};

Image random_image(int64_t height, int64_t width, int64_t channels) {
  Image image{height, width, channels, std::vector<uint8_t>(size_t(height * width * channels))};
  Data data("image");
  for (uint8_t& pixel : image.pixels) pixel = uint8_t(data.bits());
  return image;
}

std::vector<double> warped(const Backend<float>& backend, const Image& image, const ImageWarp& warp,
                           double mean = 0, double deviation = 1) {
  const auto [height, width, channels, pixels] = image;
  const OpCase op{.args = {output("y", height * width * channels), raw("images", Role::input, pixels),
                           raw("warps", Role::input, std::vector<ImageWarp>{warp}),
                           input("mean", std::vector<double>(size_t(channels), mean)),
                           input("deviation", std::vector<double>(size_t(channels), deviation))},
                  .call = [h = height, w = width, c = channels](const auto& k, Pointers p) {
                    k.image_warp(p[0], p[1], p[2], p[3], p[4], 1, h, w, c);
                  }};
  return run(op, backend)[0];
}

/// Every output value is source(row, col, channel), exactly, on every backend.
template <class Source>
void check_exactly(const Image& image, const ImageWarp& warp, Source source) {
  for (const Backend<float>& backend : float_backends()) {
    CAPTURE(backend.name);
    const std::vector<double> y = warped(backend, image, warp);
    for (int64_t row = 0; row < image.height; ++row)
      for (int64_t col = 0; col < image.width; ++col)
        for (int64_t c = 0; c < image.channels; ++c)
          REQUIRE(y[size_t((row * image.width + col) * image.channels + c)] == source(row, col, c));
  }
}

const std::vector<Image>& images() {
  static const std::vector<Image> list{random_image(5, 8, 3), random_image(8, 5, 1), random_image(17, 17, 3)};
  return list;
}

}  // namespace

TEST_CASE("the identity warp passes the pixels through") {
  for (const Image& image : images())
    check_exactly(image, {}, [&](int64_t row, int64_t col, int64_t c) { return image.at(row, col, c); });
}

TEST_CASE("the pixels are normalised by mean and deviation") {
  const Image image = random_image(4, 6, 3);
  for (const Backend<float>& backend : float_backends()) {
    const std::vector<double> y = warped(backend, image, {}, 0.5, 0.25);
    for (size_t i = 0; i < y.size(); ++i) REQUIRE(y[i] == (float(image.pixels[i]) / 255 - 0.5f) / 0.25f);
  }
}

TEST_CASE("a mirror reverses the rows, or the columns") {
  for (const Image& image : images()) {
    check_exactly(image, {.m = {-1, 0, 0, 0, 1, 0}}, [&](int64_t row, int64_t col, int64_t c) {
      return image.at(row, image.width - 1 - col, c);
    });
    check_exactly(image, {.m = {1, 0, 0, 0, -1, 0}}, [&](int64_t row, int64_t col, int64_t c) {
      return image.at(image.height - 1 - row, col, c);
    });
  }
}

TEST_CASE("a translation by whole pixels moves them, and black comes in") {
  for (const Image& image : images()) {
    check_exactly(image, {.m = {1, 0, 2, 0, 1, -1}},
                  [&](int64_t row, int64_t col, int64_t c) { return image.at(row - 1, col + 2, c); });
    check_exactly(image, {.m = {1, 0, 40, 0, 1, 0}}, [](int64_t, int64_t, int64_t) { return 0.0f; });
  }
}

TEST_CASE("a quarter turn of a square permutes its pixels") {
  const Image& image = images()[2];
  check_exactly(image, {.m = {0, -1, 0, 1, 0, 0}},
                [&](int64_t row, int64_t col, int64_t c) { return image.at(col, image.width - 1 - row, c); });
}

TEST_CASE("a translation by half a pixel averages neighbours") {
  const Image image = random_image(6, 7, 1);
  check_exactly(image, {.m = {1, 0, 0.5f, 0, 1, 0}}, [&](int64_t row, int64_t col, int64_t) {
    const float left = float(image.pixels[size_t(row * 7 + col)]);
    const float right = col + 1 < 7 ? float(image.pixels[size_t(row * 7 + col + 1)]) : 0;
    return (left + right) / 2 / 255;
  });
}

TEST_CASE("a warp of nearest pixels rounds the position, half a pixel up") {
  for (const Image& image : images()) {
    check_exactly(image, {.m = {1, 0, 0.4f, 0, 1, -0.6f}, .nearest = true},
                  [&](int64_t row, int64_t col, int64_t c) { return image.at(row - 1, col, c); });
    check_exactly(image, {.m = {1, 0, 0.5f, 0, 1, 0}, .nearest = true},
                  [&](int64_t row, int64_t col, int64_t c) { return image.at(row, col + 1, c); });
  }
}

TEST_CASE("brightness multiplies and saturates") {
  const Image& image = images()[0];
  check_exactly(image, {.brightness = 1.5f}, [&](int64_t row, int64_t col, int64_t c) {
    return std::min(image.at(row, col, c) * 1.5f, 1.0f);
  });
}

TEST_CASE("contrast blends with the mean grey of the image as it then is") {
  const Image flat{2, 2, 3, {255, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0}};  // half red, half black
  for (const Backend<float>& backend : float_backends()) {
    for (const float brightness : {1.0f, 0.5f}) {
      const double grey = 0.2989 / 2 * brightness;
      const auto none = warped(backend, flat, {.brightness = brightness, .contrast = 0});
      for (const double value : none) CHECK(value == doctest::Approx(grey).epsilon(1e-6));
      const auto half = warped(backend, flat, {.brightness = brightness, .contrast = 0.5f});
      CHECK(half[0] == doctest::Approx((brightness + grey) / 2).epsilon(1e-6));
      CHECK(half[1] == doctest::Approx(grey / 2).epsilon(1e-6));
    }
    const auto strong = warped(backend, flat, {.contrast = 3});
    CHECK(strong[0] == 1);  // both clamped
    CHECK(strong[1] == 0);
  }
}
