#include "data/synthetic_render.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "data/synthetic_field.h"
#include "data/synthetic_shade.h"
#include "data/synthetic_skin.h"
#include "tensor/error.h"

namespace signet::data {
namespace {

HandGeometry turned(const HandGeometry& hand, const Turn& wrist, const Turn& camera) {
  const auto turn = [&](Vec3 v) { return camera.apply(wrist.apply(v)); };
  HandGeometry result = hand;
  for (Capsule& c : result.capsules) {
    c.from = turn(c.from);
    c.axis = turn(c.axis);
    c.back = turn(c.back);
  }
  result.cut_normal = turn(hand.cut_normal);
  return result;
}

/// The box around a hand in the picture's plane.
struct Bounds {
  float left = 1e9f, right = -1e9f, bottom = 1e9f, top = -1e9f;

  void add(Vec3 p, float r) {
    left = std::min(left, p.x - r), right = std::max(right, p.x + r);
    bottom = std::min(bottom, p.y - r), top = std::max(top, p.y + r);
  }
};

Bounds bounds_of(const HandGeometry& hand) {
  Bounds bounds;
  for (const Capsule& c : hand.capsules) {
    if (c.part != HandPart::forearm) {
      bounds.add(c.from, c.r0);
      bounds.add(c.from + c.axis, c.r1);
      continue;
    }
    // The forearm counts up to the cut, whose rim is a disc across the arm.
    bounds.add(c.from, 0);
    const float height = hand.cut_offset - dot(c.from, hand.cut_normal);
    const float share = std::clamp(height / dot(c.axis, hand.cut_normal), 0.0f, 1.0f);
    const Vec3 centre = c.from + share * c.axis, n = hand.cut_normal;
    const float r = c.r0 + share * (c.r1 - c.r0);
    const Vec3 rim{r * std::sqrt(std::max(0.0f, 1 - n.x * n.x)), r * std::sqrt(std::max(0.0f, 1 - n.y * n.y)),
                   r * std::sqrt(std::max(0.0f, 1 - n.z * n.z))};
    bounds.add(centre - rim, 0);
    bounds.add(centre + rim, 0);
  }
  return bounds;
}

/// Marches the rays through `pixels` (their x and y) along -z. Returns the points where they meet the
/// surface; `lane` tells which ray a point belongs to.
Points march(const HandField& field, const NearCapsules& near, const Points& pixels,
             std::array<int, kLanes>& lane) {
  constexpr int kSteps = 48;
  constexpr float kHit = 0.02f;    // cm
  constexpr float kShare = 0.92f;  // Tapers and bulges make the field a little steeper than 1.
  // Without a least step, rays that graze a finger would creep along it; what they overshoot is taken back.
  constexpr float kLeastStep = 0.10f;
  Points met, rays = pixels;
  met.count = 0;
  rays.z.fill(near.front);
  std::array<int, kLanes> ray;
  std::iota(ray.begin(), ray.end(), 0);
  alignas(64) Lanes d;
  for (int s = 0; s < kSteps && rays.count > 0; ++s) {
    field.distance(near.indices, rays, d);
    // Rays that are still under way move up, so that a step costs only what is left to do.
    int going = 0;
    for (int i = 0; i < rays.count; ++i) {
      if (d[i] <= kHit) {
        met.x[met.count] = rays.x[i];
        met.y[met.count] = rays.y[i];
        met.z[met.count] = rays.z[i] - d[i];
        lane[met.count++] = ray[i];
      } else if (const float z = rays.z[i] - std::max(kShare * d[i], kLeastStep); z > near.back) {
        rays.x[going] = rays.x[i];
        rays.y[going] = rays.y[i];
        rays.z[going] = z;
        ray[going++] = ray[i];
      }
    }
    rays.count = going;
  }
  return met;
}

/// The gradient of the field by differences over a tetrahedron, four evaluations instead of six.
void normals(const HandField& field, const NearCapsules& near, const Points& points,
             std::array<Vec3, kLanes>& normal) {
  constexpr float kStep = 0.04f;
  constexpr Vec3 kCorners[] = {{1, -1, -1}, {-1, -1, 1}, {-1, 1, -1}, {1, 1, 1}};
  Points shifted;
  shifted.count = points.count;
  alignas(64) Lanes d;
  normal.fill({});
  for (const Vec3 corner : kCorners) {
    for (int i = 0; i < kLanes; ++i) {
      shifted.x[i] = points.x[i] + kStep * corner.x;
      shifted.y[i] = points.y[i] + kStep * corner.y;
      shifted.z[i] = points.z[i] + kStep * corner.z;
    }
    field.distance(near.indices, shifted, d);
    for (int i = 0; i < points.count; ++i) normal[i] = normal[i] + d[i] * corner;
  }
  for (int i = 0; i < points.count; ++i) normal[i] = normalized(normal[i] + Vec3{0, 0, 1e-6f});
}

void trace_tile(const HandField& field, const HandGeometry& hand, const PalmAxes& axes, const Signer& signer,
                int tile_x, int tile_y, Surface& surface) {
  const float half = 0.5f * float(kTileSide) * surface.step;
  const float x0 = surface.left + surface.step * float(tile_x),
              y0 = surface.top - surface.step * float(tile_y);
  NearCapsules near;
  field.near(x0 + half, y0 - half, 1.4143f * half, near);
  if (near.indices.empty()) return;
  Points pixels;
  for (int i = 0; i < kLanes; ++i) {
    const int column = i % kTileSide, row = i / kTileSide;
    pixels.x[i] = x0 + surface.step * float(column);
    pixels.y[i] = y0 - surface.step * float(row);
  }
  std::array<int, kLanes> lane;
  const Points met = march(field, near, pixels, lane);
  if (met.count == 0) return;
  std::array<Vec3, kLanes> normal;
  std::array<int32_t, kLanes> index;
  normals(field, near, met, normal);
  field.nearest(near.indices, met, index);
  for (int i = 0; i < met.count; ++i) {
    const int column = tile_x + lane[i] % kTileSide, row = tile_y + lane[i] / kTileSide;
    if (column >= surface.side || row >= surface.side) continue;
    const Vec3 point{met.x[i], met.y[i], met.z[i]};
    // Where the cut through the forearm faces the viewer there is no skin to show.
    const bool on_cut = dot(point, hand.cut_normal) > hand.cut_offset - 0.08f;
    if (on_cut && hand.cut_normal.z > 0) continue;
    const size_t at = size_t(row) * surface.side + column;
    surface.depth[at] = met.z[i];
    surface.normal[at] = normal[i];
    surface.skin[at] = skin_at(field.capsules()[index[i]], point, normal[i], axes, signer);
  }
}

uint8_t to_byte(float linear) {
  return uint8_t(255.0f * std::sqrt(std::clamp(linear, 0.0f, 1.0f)) + 0.5f);
}

}  // namespace

Light light_named(std::string_view name) {
  const auto lamp = [](float x, float y, float z, float strength, float ambient, Vec3 tint) {
    return Light{normalized({x, y, z}), strength, ambient, tint};
  };
  if (name == "bot") return lamp(0.1f, -0.8f, 0.75f, 1.05f, 0.40f, {1, 0.97f, 0.92f});
  if (name == "dif") return lamp(0.1f, 0.25f, 1, 0.55f, 0.85f, {1, 1, 1});
  if (name == "left") return lamp(-0.85f, 0.15f, 0.7f, 1.05f, 0.40f, {1, 0.98f, 0.95f});
  if (name == "right") return lamp(0.85f, 0.15f, 0.7f, 1.05f, 0.40f, {1, 0.98f, 0.95f});
  if (name == "top") return lamp(-0.1f, 0.85f, 0.7f, 1.05f, 0.40f, {1, 0.99f, 0.97f});
  fail("light '{}': is none of bot, dif, left, right, top", name);
}

Image render_hand(const HandPose& pose, const Signer& signer, const Light& light, const View& view,
                  int size) {
  if (size < 8 || size > 2048) throw std::invalid_argument("[render_hand] size must lie in [8, 2048]");
  const HandPose posed = pose_of_signer(pose, signer);
  const HandGeometry hand = turned(build_hand(posed, signer), posed.wrist, view.camera);
  const Bounds bounds = bounds_of(hand);
  const auto turn = [&](Vec3 v) { return view.camera.apply(posed.wrist.apply(v)); };
  const PalmAxes axes{turn({1, 0, 0}), turn({0, 1, 0}), turn({0, 0, 1})};

  Surface surface;
  surface.side = size * kSamplesPerPixel;
  const float extent = std::max(bounds.right - bounds.left, bounds.top - bounds.bottom) / view.fill;
  surface.step = extent / float(surface.side);
  surface.left = 0.5f * (bounds.left + bounds.right) - (0.5f + view.shift_x) * extent + 0.5f * surface.step;
  surface.top = 0.5f * (bounds.bottom + bounds.top) + (0.5f - view.shift_y) * extent - 0.5f * surface.step;
  const size_t samples = size_t(surface.side) * surface.side;
  surface.depth.assign(samples, Surface::kNothing);
  surface.normal.resize(samples);
  surface.skin.resize(samples);
  const HandField field(hand);
  for (int y = 0; y < surface.side; y += kTileSide) {
    for (int x = 0; x < surface.side; x += kTileSide) trace_tile(field, hand, axes, signer, x, y, surface);
  }

  const Surroundings near = surroundings_of(light, surface.step);
  Image image{size, size, 3, std::vector<uint8_t>(size_t(size) * size * 3)};
  constexpr float kShare = 1.0f / kPhases;
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      Vec3 sum;
      for (int k = 0; k < kPhases; ++k) {
        const int column = kSamplesPerPixel * x + k % kSamplesPerPixel;
        const int row = kSamplesPerPixel * y + k / kSamplesPerPixel;
        if (surface.depth[size_t(row) * surface.side + column] != Surface::kNothing) {
          sum = sum + kShare * shade(surface, light, near, column, row);
        }
      }
      uint8_t* pixel = &image.pixels[(size_t(y) * size + x) * 3];
      pixel[0] = to_byte(sum.x);
      pixel[1] = to_byte(sum.y);
      pixel[2] = to_byte(sum.z);
    }
  }
  return image;
}

}  // namespace signet::data
