#pragma once
// The signed distance field of a posed hand, evaluated for a tile of rays at a time.

#include <array>
#include <cstdint>
#include <vector>

#include "data/synthetic_hand.h"

namespace signet::data {

constexpr int kTileSide = 8;
constexpr int kLanes = kTileSide * kTileSide;

/// One number for each ray of a tile.
using Lanes = std::array<float, kLanes>;

/// Points in space, one for each of the first `count` lanes. Lanes behind them hold finite numbers that mean
/// nothing: work is done in whole groups of lanes.
struct Points {
  int count = kLanes;
  alignas(64) Lanes x{}, y{}, z{};
};

/// The capsules that matter to a tile, as ascending indices, and their range of depth.
struct NearCapsules {
  std::vector<int> indices;
  float back = 0, front = 0;
};

/// A signed distance field of capsules. Palm, forearm and the first bones of the fingers blend smoothly;
/// fingers meet each other and the palm in creases.
class HandField {
 public:
  /// `geometry` is in the camera's frame.
  explicit HandField(const HandGeometry& geometry);

  /// Collects the capsules whose surface, blends included, can reach within `radius` of the line of sight
  /// through (x, y), and the depths between which they lie.
  void near(float x, float y, float radius, NearCapsules& result) const;

  /// Distances from the points to the surface of the capsules listed (indices in ascending order).
  void distance(const std::vector<int>& list, const Points& points, Lanes& d) const;

  /// For each point the capsule of the list whose own surface is nearest.
  void nearest(const std::vector<int>& list, const Points& points, std::array<int32_t, kLanes>& index) const;

  const std::vector<Capsule>& capsules() const { return capsules_; }

 private:
  void capsule_distance(int index, const Points& points, Lanes& d) const;

  std::vector<Capsule> capsules_;
  Vec3 cut_normal_;
  float cut_offset_;
};

}  // namespace signet::data
