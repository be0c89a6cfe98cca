#pragma once
// Light on the surface that rays have met: diffuse light through skin, highlights, and from the depths alone
// soft shadows and ambient occlusion.

#include <array>
#include <vector>

#include "data/synthetic_render.h"
#include "data/synthetic_skin.h"

namespace signet::data {

constexpr int kSamplesPerPixel = 2;  ///< In each direction.
constexpr int kPhases = kSamplesPerPixel * kSamplesPerPixel;

/// What the rays met, sample by sample, row 0 at the top.
struct Surface {
  int side = 0;
  float step = 0;           ///< Distance between samples, cm.
  float left = 0, top = 0;  ///< Position of the first sample, cm.
  std::vector<float> depth;
  std::vector<Vec3> normal;
  std::vector<Skin> skin;

  static constexpr float kNothing = -1e3f;

  float depth_at(int column, int row) const {
    const bool inside = unsigned(column) < unsigned(side) && unsigned(row) < unsigned(side);
    return inside ? depth[size_t(row) * side + column] : kNothing;
  }
};

/// The places around a sample that decide how much light reaches it. The samples of a pixel, numbered by
/// their phase, look at different ones, so that their mean has looked at all.
struct Surroundings {
  /// A neighbour in the plane of the picture.
  struct Tap {
    int column, row;  ///< Beside the sample.
    float x, y;       ///< The same, cm.
    float reach;      ///< cm
  };
  /// A point on the way to the lamp.
  struct Stop {
    int column, row;  ///< Beside the sample.
    float height;     ///< Above the sample, cm.
    float sharpness;  ///< 1 / the height over which an edge's shadow fades, 1/cm.
  };
  std::array<std::array<Tap, 8>, kPhases> taps;
  std::array<std::array<Stop, 12>, kPhases> stops;
};

/// The places to look at under a light, where samples lie `step` cm apart.
Surroundings surroundings_of(const Light& light, float step);

/// Linear red, green and blue that a sample which has met the surface sends to the viewer.
Vec3 shade(const Surface& surface, const Light& light, const Surroundings& near, int column, int row);

}  // namespace signet::data
