#include "data/synthetic_shade.h"

#include <algorithm>
#include <cmath>

namespace signet::data {
namespace {

constexpr float kPi = 3.14159265f;

int phase_of(int column, int row) {
  return column % kSamplesPerPixel + kSamplesPerPixel * (row % kSamplesPerPixel);
}

/// Share of the surroundings that the surface itself hides from a sample.
float hidden_share(const Surface& surface, const Surroundings& around, int column, int row) {
  const size_t at = size_t(row) * surface.side + column;
  const Vec3 n = surface.normal[at];
  const float z = surface.depth[at];
  const auto& taps = around.taps[phase_of(column, row)];
  float sum = 0;
  for (const auto& tap : taps) {
    const float depth = surface.depth_at(column + tap.column, row + tap.row);
    if (depth == Surface::kNothing) continue;
    const Vec3 v{tap.x, tap.y, depth - z};
    sum += std::max(0.0f, dot(n, v) - 0.05f) * tap.reach / (dot(v, v) + 0.05f);
  }
  return std::min(1.0f, 1.6f * sum / float(taps.size()));
}

/// Share of the lamp that the hand's own shadow takes away from a sample.
float shadow_share(const Surface& surface, const Surroundings& around, int column, int row) {
  constexpr float kThickness = 2.5f;  // cm: what lies higher above the way is taken not to reach down to it.
  const float z = surface.depth[size_t(row) * surface.side + column];
  float shadow = 0;
  for (const auto& stop : around.stops[phase_of(column, row)]) {
    const float above = surface.depth_at(column + stop.column, row + stop.row) - z - stop.height;
    if (above > 0 && above < kThickness) shadow = std::max(shadow, above * stop.sharpness);
  }
  return std::min(1.0f, shadow);
}

float power_16(float x) {
  x *= x, x *= x, x *= x;
  return x * x;
}

}  // namespace

Surroundings surroundings_of(const Light& light, float step) {
  constexpr float kReach = 2.2f, kStride = 0.42f;  // cm
  Surroundings result;
  for (int phase = 0; phase < kPhases; ++phase) {
    auto& taps = result.taps[phase];
    for (int k = 0; k < int(taps.size()); ++k) {
      const float angle = kPi / 4 * (float(k) + 0.25f * float(phase));
      const float reach = kReach * (0.25f + 0.75f * float(k * 5 % 8) / 8);
      const float x = reach * std::cos(angle), y = reach * std::sin(angle);
      taps[k] = {int(std::lround(x / step)), -int(std::lround(y / step)), x, y, reach};
    }
    auto& stops = result.stops[phase];
    for (int k = 0; k < int(stops.size()); ++k) {
      const float t = kStride * (0.6f + 0.25f * float(phase ^ 2) + float(k));
      const Vec3 way = t * light.direction;
      // The farther the edge that casts it, the softer the shadow.
      stops[k] = {int(std::lround(way.x / step)), -int(std::lround(way.y / step)), way.z,
                  1 / (0.15f + 0.2f * t)};
    }
  }
  return result;
}

Vec3 shade(const Surface& surface, const Light& light, const Surroundings& near, int column, int row) {
  const size_t at = size_t(row) * surface.side + column;
  const Vec3 n = surface.normal[at];
  const Skin& skin = surface.skin[at];
  const float hidden = hidden_share(surface, near, column, row);
  const float lamp = light.strength * (1 - 0.85f * shadow_share(surface, near, column, row));
  const float cosine = dot(n, light.direction);
  // Light that enters the skin comes out a little way off, red farther than green and blue: the edge of the
  // shaded side is soft and red.
  const auto wrapped = [&](float wrap) { return std::max(0.0f, (cosine + wrap) / (1 + wrap)); };
  const Vec3 diffuse = lamp * (light.tint * Vec3{wrapped(0.35f), wrapped(0.2f), wrapped(0.16f)});
  const float open = light.ambient * (0.62f + 0.26f * n.z + 0.12f * n.y);
  // Light between folds has bounced off skin: what is left there is reddish.
  const Vec3 around{open * (1 - 0.75f * hidden), open * (1 - 0.92f * hidden), open * (1 - 0.95f * hidden)};
  const Vec3 halfway = normalized(light.direction + Vec3{0, 0, 1});
  const float highlight = 0.5f * skin.gloss * lamp * power_16(std::max(0.0f, dot(n, halfway))) * (1 - hidden);
  return skin.colour * (diffuse + around) + highlight * light.tint;
}

}  // namespace signet::data
