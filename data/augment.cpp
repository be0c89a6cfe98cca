#include "data/augment.h"
#include "tensor/hash.h"

#include <cmath>
#include <numbers>
#include <stdexcept>

namespace signet::data {
namespace {

void check(const Augmentation& a) {
  const auto in_range = [](double value, double high) { return value >= 0 && value <= high; };
  if (!in_range(a.fliplr, 1) || !in_range(a.degrees, 1e6) || !in_range(a.translate, 1e6) ||
      !in_range(a.scale, 1) || a.scale == 1 || !in_range(a.brightness, 1e6) || !in_range(a.contrast, 1e6)) {
    throw std::invalid_argument("[draw_warp] an option of the augmentation is out of range");
  }
}

}  // namespace

uint64_t image_key(std::string_view path) {
  return fnv1a(path);
}

ImageWarp draw_warp(const Augmentation& augmentation, uint64_t seed, int64_t epoch, uint64_t key, int height,
                    int width) {
  check(augmentation);
  const PhiloxKey stream = philox_derive({seed, fnv1a("augment")}, uint64_t(epoch), key);
  const auto words = philox(stream, 0), more = philox(stream, 1);
  const auto unit = [](uint32_t bits) { return double(philox_uniform(bits)); };  // [0, 1)
  const auto around = [&](uint32_t bits) { return 2 * unit(bits) - 1; };         // [-1, 1)
  const auto factor = [&](double range, uint32_t bits) { return std::max(1 + range * around(bits), 0.0); };

  const double mirror = unit(words[0]) < augmentation.fliplr ? -1 : 1;
  const double angle = augmentation.degrees * around(words[1]) * std::numbers::pi / 180;
  const double dx = augmentation.translate * around(words[2]) * width;
  const double dy = augmentation.translate * around(words[3]) * height;
  const double scale = factor(augmentation.scale, more[0]);

  // Forwards, out = scale · rotation · mirror · in + (dx, dy); a warp asks where an output pixel comes from:
  // in = mirror · rotation⁻¹ · (out - (dx, dy)) / scale.
  const double cosine = std::cos(angle) / scale, sine = std::sin(angle) / scale;
  const double m[4] = {mirror * cosine, mirror * sine, -sine, cosine};
  ImageWarp warp;
  warp.m[0] = float(m[0]);
  warp.m[1] = float(m[1]);
  warp.m[2] = float(-(m[0] * dx + m[1] * dy));
  warp.m[3] = float(m[2]);
  warp.m[4] = float(m[3]);
  warp.m[5] = float(-(m[2] * dx + m[3] * dy));
  warp.brightness = float(factor(augmentation.brightness, more[1]));
  warp.contrast = float(factor(augmentation.contrast, more[2]));
  warp.nearest = augmentation.nearest;
  return warp;
}

}  // namespace signet::data
