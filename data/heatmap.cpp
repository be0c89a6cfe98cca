#include "data/heatmap.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

namespace signet::data {
namespace {

using Colour = std::array<float, 3>;

constexpr std::array<Colour, 4> kStops{Colour{70, 20, 120}, {190, 40, 110}, {250, 130, 30}, {255, 230, 90}};
constexpr float kMostOpacity = 0.7f;

Colour colour_of(float value) {
  const float place = std::clamp(value, 0.0f, 1.0f) * (kStops.size() - 1);
  const auto below = std::min(size_t(place), kStops.size() - 2);
  const float share = place - float(below);
  Colour colour;
  for (size_t c = 0; c < 3; ++c) colour[c] = kStops[below][c] * (1 - share) + kStops[below + 1][c] * share;
  return colour;
}

/// For each of `outputs` positions the two of `inputs` it lies between, and how far towards the second.
struct Between {
  int first, second;
  float share;
};

std::vector<Between> positions(int outputs, int inputs) {
  std::vector<Between> all;
  for (int o = 0; o < outputs; ++o) {
    const float at =
        std::clamp((float(o) + 0.5f) * float(inputs) / float(outputs) - 0.5f, 0.0f, float(inputs - 1));
    const int first = int(at);
    all.push_back({first, std::min(first + 1, inputs - 1), at - float(first)});
  }
  return all;
}

}  // namespace

Image draw_heat(const Image& picture, const Heatmap& heat) {
  const bool fits = picture.height > 0 && picture.width > 0 && picture.channels == 3 && heat.height > 0 &&
                    heat.width > 0 && heat.values.size() == size_t(heat.height) * size_t(heat.width);
  if (!fits)
    throw std::invalid_argument("[draw_heat] a picture in colour and a map that fits its shape are needed");
  const auto rows = positions(picture.height, heat.height), columns = positions(picture.width, heat.width);
  const auto at = [&](int y, int x) { return heat.values[size_t(y * heat.width + x)]; };
  Image out = picture;
  uint8_t* pixel = out.pixels.data();
  for (const auto& row : rows) {
    for (const auto& column : columns) {
      const float upper = std::lerp(at(row.first, column.first), at(row.first, column.second), column.share);
      const float lower =
          std::lerp(at(row.second, column.first), at(row.second, column.second), column.share);
      const float value = std::clamp(std::lerp(upper, lower, row.share), 0.0f, 1.0f);
      const Colour colour = colour_of(value);
      const float opacity = kMostOpacity * value;
      for (size_t c = 0; c < 3; ++c, ++pixel)
        *pixel = uint8_t(std::lerp(float(*pixel), colour[c], opacity) + 0.5f);
    }
  }
  return out;
}

}  // namespace signet::data
