#pragma once
// What the surface of a hand looks like before light falls on it: palm and back, red fingertips, nails,
// creases.

#include "data/synthetic_hand.h"

namespace signet::data {

/// Reflectance (linear red, green, blue) and strength of the highlight at a point of the surface.
struct Skin {
  Vec3 colour;
  float gloss = 0;
};

/// The palm's axes in the frame in which points are given, for the lines of the palm.
struct PalmAxes {
  Vec3 x, y, z;
};

/// The skin at `point`, with unit normal `normal`, where capsule `c` is nearest.
Skin skin_at(const Capsule& c, Vec3 point, Vec3 normal, const PalmAxes& axes, const Signer& signer);

}  // namespace signet::data
