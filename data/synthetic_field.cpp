#include "data/synthetic_field.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace signet::data {
namespace {

constexpr float kFar = 100;  // cm

// Widths of the blends, in centimetres.
constexpr float kPalmBlend = 0.8f;
constexpr float kKnuckleBlend = 0.6f;
constexpr float kJointBlend = 0.10f;

// Marching takes most of the renderer's time, in the loops over the rays of a tile. The three functions below
// are written without conditions and without the library's square root (which must set errno), so that any
// compiler turns those loops into vector instructions, and with the same bits.

/// Square root of a number in [1e-12, 1e12], by Newton's method.
inline float lane_sqrt(float a) {
  float r = std::bit_cast<float>(0x5f375a86u - (std::bit_cast<uint32_t>(a) >> 1));
  r *= 1.5f - 0.5f * a * r * r;
  r *= 1.5f - 0.5f * a * r * r;
  return a * r;
}

/// `t` held within [0, 1].
inline float lane_clamp(float t) {
  return 0.5f * (1.0f + std::fabs(t) - std::fabs(t - 1.0f));
}

/// Minimum with the corner rounded off over a width of `blend` (quadratic blend).
inline float smooth_min(float a, float b, float blend) {
  const float gap = std::fabs(a - b), overlap = blend - gap;
  const float h = 0.5f * (overlap + std::fabs(overlap));
  return 0.5f * (a + b - gap) - h * h * (0.25f / blend);
}

/// Lanes to compute for `count` points: loops without a remainder stay in vector instructions.
int whole_groups(int count) {
  return (count + 7) & ~7;
}

bool is_trunk(const Capsule& c) {
  return c.part == HandPart::palm || c.part == HandPart::forearm;
}

}  // namespace

HandField::HandField(const HandGeometry& geometry)
    : capsules_(geometry.capsules), cut_normal_(geometry.cut_normal), cut_offset_(geometry.cut_offset) {}

void HandField::near(float x, float y, float radius, NearCapsules& result) const {
  result.indices.clear();
  result.back = kFar;
  result.front = -kFar;
  for (int i = 0; i < int(capsules_.size()); ++i) {
    const Capsule& c = capsules_[i];
    const float px = x - c.from.x, py = y - c.from.y;
    const float length2 = c.axis.x * c.axis.x + c.axis.y * c.axis.y;
    const float t = std::clamp((px * c.axis.x + py * c.axis.y) / std::max(length2, 1e-6f), 0.0f, 1.0f);
    const float dx = px - t * c.axis.x, dy = py - t * c.axis.y;
    const float blend = is_trunk(c)                        ? kPalmBlend
                        : c.part == HandPart::knuckle_bone ? kKnuckleBlend
                                                           : kJointBlend;
    const float thick = std::max(c.r0, c.r1) + c.bulge, reach = thick + blend + radius;
    if (dx * dx + dy * dy >= reach * reach) continue;
    result.indices.push_back(i);
    // A blend of two adds at most a quarter of its width.
    const float margin = thick + 0.5f * blend;
    result.back = std::min({result.back, c.from.z - margin, c.from.z + c.axis.z - margin});
    result.front = std::max({result.front, c.from.z + margin, c.from.z + c.axis.z + margin});
  }
}

void HandField::capsule_distance(int index, const Points& points, Lanes& d) const {
  const Capsule& c = capsules_[index];
  const Vec3 a = c.from, b = c.axis;
  const float inverse = 1.0f / dot(b, b), r0 = c.r0, slope = c.r1 - c.r0 + 4 * c.bulge, curve = 4 * c.bulge;
  const int width = whole_groups(points.count);
  for (int i = 0; i < width; ++i) {
    const float px = points.x[i] - a.x, py = points.y[i] - a.y, pz = points.z[i] - a.z;
    const float t = lane_clamp((px * b.x + py * b.y + pz * b.z) * inverse);
    const float qx = px - t * b.x, qy = py - t * b.y, qz = pz - t * b.z;
    d[i] = lane_sqrt(qx * qx + qy * qy + qz * qz + 1e-12f) - (r0 + t * (slope - t * curve));
  }
}

void HandField::distance(const std::vector<int>& list, const Points& points, Lanes& d) const {
  alignas(64) Lanes trunk, chain, one;
  const int width = whole_groups(points.count);
  trunk.fill(kFar);
  size_t next = 0;
  for (; next < list.size() && is_trunk(capsules_[list[next]]); ++next) {
    capsule_distance(list[next], points, one);
    for (int i = 0; i < width; ++i) trunk[i] = smooth_min(trunk[i], one[i], kPalmBlend);
  }
  d = trunk;
  int finger = -1;
  for (; next < list.size(); ++next) {
    const Capsule& c = capsules_[list[next]];
    capsule_distance(list[next], points, one);
    if (c.finger != finger) {
      finger = c.finger;
      chain.fill(kFar);
    }
    for (int i = 0; i < width; ++i) chain[i] = smooth_min(chain[i], one[i], kJointBlend);
    if (c.part == HandPart::knuckle_bone) {
      for (int i = 0; i < width; ++i) d[i] = std::min(d[i], smooth_min(trunk[i], one[i], kKnuckleBlend));
    }
    for (int i = 0; i < width; ++i) d[i] = std::min(d[i], chain[i]);
  }
  const Vec3 n = cut_normal_;
  const float offset = cut_offset_;
  for (int i = 0; i < width; ++i) {
    d[i] = std::max(d[i], points.x[i] * n.x + points.y[i] * n.y + points.z[i] * n.z - offset);
  }
}

void HandField::nearest(const std::vector<int>& list, const Points& points,
                        std::array<int32_t, kLanes>& index) const {
  alignas(64) Lanes best, one;
  best.fill(kFar);
  index.fill(-1);
  for (const int c : list) {
    capsule_distance(c, points, one);
    for (int i = 0; i < points.count; ++i) {
      index[i] = one[i] < best[i] ? c : index[i];
      best[i] = one[i] < best[i] ? one[i] : best[i];
    }
  }
}

}  // namespace signet::data
