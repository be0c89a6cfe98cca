#include "data/synthetic_skin.h"

#include <algorithm>
#include <cmath>

namespace signet::data {
namespace {

float smooth_step(float low, float high, float x) {
  const float t = std::clamp((x - low) / (high - low), 0.0f, 1.0f);
  return t * t * (3 - 2 * t);
}

float mix(float a, float b, float share) {
  return a + share * (b - a);
}

/// 1 on a line, falling to zero within about twice `width` of it.
float line(float distance, float width) {
  const float s = distance / width;
  const float bell = 1 / (1 + s * s);
  return bell * bell;
}

/// Darkness of the three main lines of the palm: two arcs and the line around the ball of the thumb.
/// Coordinates are those of an average hand.
float palm_lines(float x, float y) {
  const auto ring = [&](float cx, float cy, float r) {
    return std::fabs(std::sqrt((x - cx) * (x - cx) + (y - cy) * (y - cy)) - r);
  };
  const float thumb =
      line(ring(3.9f, 2.2f, 4.1f), 0.10f) * smooth_step(1.0f, 2.5f, y) * smooth_step(3.4f, 2.6f, x);
  const float heart = line(ring(-1.9f, 10.0f, 3.7f), 0.09f) * smooth_step(8.2f, 7.4f, y);
  const float head = line(ring(0.4f, 13.6f, 8.0f), 0.09f) * smooth_step(-2.9f, -1.9f, x) *
                     smooth_step(3.2f, 2.6f, x) * smooth_step(8.0f, 7.5f, y);
  const float wrist = line(y - 0.1f - 0.03f * x * x, 0.08f);
  return std::max({thumb, heart, head, wrist});
}

/// Share of nail at a point `u` along the end bone (0 joint, 1 centre of the tip) and `across` it in radii.
float nail(float u, float across, float facing, float length_in_radii) {
  const float root = smooth_step(0.30f, 0.36f, u - 0.10f * across * across);
  const float tip = smooth_step(1.0f + 0.95f / length_in_radii, 1.0f + 0.8f / length_in_radii, u);
  const float sides = smooth_step(0.78f, 0.68f, std::fabs(across));
  return root * tip * sides * smooth_step(0.10f, 0.30f, facing);
}

}  // namespace

Skin skin_at(const Capsule& c, Vec3 point, Vec3 normal, const PalmAxes& axes, const Signer& signer) {
  const Vec3 p = point - c.from;
  const float length2 = dot(c.axis, c.axis), length = std::sqrt(length2);
  const float u = dot(p, c.axis) / length2, along = u * length;
  const float facing = dot(normal, c.back);
  const float palm_side = smooth_step(0.35f, -0.25f, facing), back_side = 1 - palm_side;

  float tone = mix(signer.back_tone, 1.0f, palm_side), red = 0.15f * palm_side, dark = 0;
  if (c.finger < 0) {
    const float x = dot(point, axes.x) / signer.palm_width, y = dot(point, axes.y) / signer.palm_length;
    dark = 0.40f * palm_side * palm_lines(x, y);
    // The palm is redder towards its edges than in its hollow, and the wrist is pale.
    red = palm_side * (0.10f + 0.25f * smooth_step(2.5f, 9.0f, y) - 0.1f * smooth_step(1.0f, -0.5f, y));
  } else if (c.part == HandPart::knuckle_bone) {
    dark = palm_side * (c.finger == 4 ? 0.15f : 0.3f) * line(along - 0.47f * length, 0.09f);
    red += 0.25f * back_side * smooth_step(0.75f, 1.0f, u);
  } else {
    const float fold = c.part == HandPart::middle_bone ? 0.45f : 0.35f;
    dark = palm_side * fold * line(along, 0.09f);
    // Wrinkles over the back of a joint fade as the joint bends and stretches them, which hides them anyway.
    dark += 0.18f * back_side * (line(along - 0.22f, 0.07f) + line(along + 0.02f, 0.07f));
    red += 0.30f * back_side * smooth_step(0.25f, 0.0f, u);
  }
  Skin skin;
  skin.gloss = signer.gloss * (c.finger < 0 ? 0.7f : 1.0f);
  float nailed = 0;
  if (c.part == HandPart::end_bone) {
    red += 0.5f * smooth_step(0.2f, 1.0f, u);
    const float radius = mix(c.r0, c.r1, std::clamp(u, 0.0f, 1.0f));
    const float across = dot(p, cross(c.axis, c.back)) / (length * radius);
    nailed = nail(u, across, facing, length / c.r1);
    // The fold of skin around the nail.
    dark += 0.7f * nailed * (1 - nailed);
  }
  red *= signer.redness * (1 - 0.5f * nailed);
  Vec3 colour = tone * signer.skin;
  colour = colour * Vec3{1 + 0.10f * red, 1 - 0.28f * red, 1 - 0.18f * red};
  const Vec3 plate = 0.85f * signer.skin + Vec3{0.14f, 0.085f, 0.075f};
  colour = (1 - nailed) * colour + nailed * plate;
  skin.colour = colour * Vec3{1 - 0.7f * dark, 1 - dark, 1 - dark};
  skin.gloss = mix(skin.gloss, 0.5f, nailed);
  return skin;
}

}  // namespace signet::data
