#include "data/augment.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "tests/data/fixtures.h"

using namespace signet;
using namespace signet::data;

namespace {

constexpr Augmentation kNone{.fliplr = 0, .degrees = 0, .translate = 0};

bool equal(const ImageWarp& a, const ImageWarp& b) {
  for (int i = 0; i < 6; ++i) {
    if (!(a.m[i] == b.m[i])) return false;
  }
  return a.brightness == b.brightness && a.contrast == b.contrast && a.nearest == b.nearest;
}

/// What a warp says about the forward map: mirror, angle (radians), scale and translation.
struct Parts {
  double mirror, angle, scale, dx, dy;
};

Parts parts(const ImageWarp& warp) {
  // in = A out + b with A = mirror · rotation⁻¹ / scale and b = -A d.
  const double a = warp.m[0], b = warp.m[1], c = warp.m[3], d = warp.m[4];
  const double determinant = a * d - b * c;
  const double mirror = determinant < 0 ? -1 : 1;
  const double scale = 1 / std::sqrt(std::abs(determinant));
  const double dx = -(d * warp.m[2] - b * warp.m[5]) / determinant;
  const double dy = -(-c * warp.m[2] + a * warp.m[5]) / determinant;
  return {mirror, std::atan2(-c, d), scale, dx, dy};
}

/// Where the forward map takes (x, y), straight from its definition.
void forward(const Parts& p, double x, double y, double& u, double& v) {
  x *= p.mirror;
  u = p.scale * (std::cos(p.angle) * x - std::sin(p.angle) * y) + p.dx;
  v = p.scale * (std::sin(p.angle) * x + std::cos(p.angle) * y) + p.dy;
}

}  // namespace

TEST_CASE("no augmentation is the identity") {
  CHECK(equal(draw_warp(kNone, 1, 2, 3, 224, 224), ImageWarp{}));
}

TEST_CASE("taking the nearest pixel changes nothing that is drawn") {
  Augmentation nearest;
  nearest.nearest = true;
  ImageWarp warp = draw_warp(nearest, 1, 2, 3, 224, 224);
  CHECK(warp.nearest);
  warp.nearest = false;
  CHECK(equal(warp, draw_warp({}, 1, 2, 3, 224, 224)));
}

TEST_CASE("a warp undoes flip, rotation, scale, translation in that order") {
  const Augmentation all{.fliplr = 0.5, .degrees = 40, .translate = 0.2, .scale = 0.3};
  for (uint64_t key = 0; key < 50; ++key) {
    const ImageWarp warp = draw_warp(all, 7, 3, key, 100, 60);
    const Parts p = parts(warp);
    for (const auto& [x, y] : {std::pair{0.0, 0.0}, {10.0, -20.0}, {-29.5, 49.5}}) {
      double u = 0, v = 0;
      forward(p, x, y, u, v);
      // 60 pixels in float32: 60 * 2^-23 for each of a few roundings.
      CHECK(std::abs(warp.m[0] * u + warp.m[1] * v + warp.m[2] - x) <= 1e-4);
      CHECK(std::abs(warp.m[3] * u + warp.m[4] * v + warp.m[5] - y) <= 1e-4);
    }
  }
}

TEST_CASE("draws fill their ranges evenly") {
  const Augmentation all{
      .fliplr = 0.25, .degrees = 15, .translate = 0.1, .scale = 0.2, .brightness = 0.3, .contrast = 0.4};
  constexpr int kDraws = 4000;
  int flips = 0;
  std::vector<std::vector<double>> values(6);
  std::vector<double> flipped;
  for (uint64_t key = 0; key < kDraws; ++key) {
    const ImageWarp warp = draw_warp(all, 1, 0, key, 200, 100);
    const Parts p = parts(warp);
    flips += p.mirror < 0;
    flipped.push_back(p.mirror < 0 ? 0.75 : -0.25);
    const double scaled[] = {p.angle * 180 / std::numbers::pi / 15,
                             p.dx / 10,
                             p.dy / 20,
                             (p.scale - 1) / 0.2,
                             (double(warp.brightness) - 1) / 0.3,
                             (double(warp.contrast) - 1) / 0.4};
    for (size_t i = 0; i < 6; ++i) values[i].push_back(scaled[i]);
  }
  // Five standard deviations of the estimates: sqrt(0.25 * 0.75 / n), 1 / sqrt(3 n), sqrt(4 / 45 / n).
  CHECK(std::abs(flips / double(kDraws) - 0.25) < 5 * std::sqrt(0.1875 / kDraws));
  for (const auto& v : values) {
    double mean = 0, square = 0, largest = 0;
    for (const double x : v) {
      mean += x / kDraws;
      square += x * x / kDraws;
      largest = std::max(largest, std::abs(x));
    }
    CHECK(largest <= 1 + 1e-4);
    CHECK(largest > 0.99);
    CHECK(std::abs(mean) < 5 / std::sqrt(3.0 * kDraws));
    CHECK(std::abs(square - 1.0 / 3) < 5 * std::sqrt(4.0 / 45 / kDraws));
  }
  values.push_back(flipped);
  for (size_t a = 0; a < 7; ++a) {
    for (size_t b = 0; b < a; ++b) {
      double covariance = 0;
      for (size_t i = 0; i < kDraws; ++i) covariance += values[a][i] * values[b][i] / kDraws;
      CHECK(std::abs(covariance) < 5 / std::sqrt(9.0 * kDraws));
    }
  }
}

TEST_CASE("a draw depends on seed, epoch and image, and one option leaves the others alone") {
  const Augmentation usual;
  const auto warp = draw_warp(usual, 1, 2, image_key("a/1.png"), 64, 64);
  CHECK(equal(warp, draw_warp(usual, 1, 2, image_key("a/1.png"), 64, 64)));
  CHECK_FALSE(equal(warp, draw_warp(usual, 2, 2, image_key("a/1.png"), 64, 64)));
  CHECK_FALSE(equal(warp, draw_warp(usual, 1, 3, image_key("a/1.png"), 64, 64)));
  CHECK_FALSE(equal(warp, draw_warp(usual, 1, 2, image_key("a/2.png"), 64, 64)));

  const Augmentation more{.fliplr = 0, .brightness = 0.5};
  for (uint64_t key = 0; key < 20; ++key) {
    const Parts a = parts(draw_warp(usual, 1, 2, key, 64, 64)), b = parts(draw_warp(more, 1, 2, key, 64, 64));
    CHECK(b.mirror == 1);
    CHECK(std::abs(a.angle - b.angle) < 1e-6);
    CHECK(std::abs(a.dx - b.dx) < 1e-4);
  }
}

TEST_CASE("flipping is all or nothing at its ends") {
  for (uint64_t key = 0; key < 200; ++key) {
    CHECK(draw_warp({.fliplr = 1, .degrees = 0, .translate = 0}, 1, 0, key, 8, 8).m[0] == -1);
    CHECK(draw_warp({.fliplr = 0, .degrees = 0, .translate = 0}, 1, 0, key, 8, 8).m[0] == 1);
  }
}

TEST_CASE("options out of range are refused") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Augmentation& bad : {Augmentation{.fliplr = 1.1},
                                  {.fliplr = -0.1},
                                  {.degrees = -1},
                                  {.degrees = nan},
                                  {.translate = -0.1},
                                  {.scale = 1},
                                  {.brightness = -1},
                                  {.contrast = nan},
                                  {.degrees = std::numeric_limits<double>::infinity()}}) {
    CHECK_THROWS_AS(draw_warp(bad, 0, 0, 0, 8, 8), std::invalid_argument);
  }
}

TEST_CASE("the key of an image is the FNV-1a hash of its path") {
  CHECK(image_key("") == 0xcbf29ce484222325u);
  CHECK(image_key("a") == 0xaf63dc4c8601ec8cu);
  CHECK(image_key("foobar") == 0x85944171f73967e8u);
}
