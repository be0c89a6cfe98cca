#pragma once
// A parametric right hand: joint angles and the proportions of a signer in, tapered capsules out. Lengths are
// centimetres. The hand's own frame has the wrist at the origin, x towards the thumb's side, y towards the
// fingertips and z out of the palm; seen against z, fingers up, the thumb is on the right.

#include <array>
#include <string_view>
#include <vector>

#include "kernels/philox.h"

namespace signet::data {

struct Vec3 {
  float x = 0, y = 0, z = 0;

  friend constexpr Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
  friend constexpr Vec3 operator-(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
  friend constexpr Vec3 operator*(float s, Vec3 v) { return {s * v.x, s * v.y, s * v.z}; }
  /// Component by component, as colours multiply.
  friend constexpr Vec3 operator*(Vec3 a, Vec3 b) { return {a.x * b.x, a.y * b.y, a.z * b.z}; }
};

constexpr float dot(Vec3 a, Vec3 b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}
constexpr Vec3 cross(Vec3 a, Vec3 b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
Vec3 normalized(Vec3 v);

constexpr float radians(float degrees) {
  return degrees * 0.017453292519943295f;
}

/// Turns of a whole hand, applied in the order yaw (about y), pitch (about x), roll (about z, the line of
/// sight), in radians. A positive yaw turns the palm to the right, a positive pitch tips the fingertips
/// towards the viewer, a positive roll turns the picture anticlockwise.
struct Turn {
  float yaw = 0, pitch = 0, roll = 0;

  Vec3 apply(Vec3 v) const;
};

/// Joint angles of one finger, in radians. Zero is the straight finger; flexion bends towards the palm,
/// spread leans towards the thumb's side.
struct FingerPose {
  float knuckle = 0;  ///< Flexion where the finger leaves the palm.
  float spread = 0;
  float middle = 0;  ///< Flexion of the middle joint.
  float end = 0;     ///< Flexion of the joint below the nail.
};

/// Joint angles of the thumb, in radians.
struct ThumbPose {
  float out = 0;      ///< Of the thumb's root: away from the fingers, in the plane of the palm.
  float forward = 0;  ///< Of the root: out of the plane of the palm, towards the viewer.
  float roll = 0;     ///< Turns the plane the thumb bends in; 0 bends it along the palm.
  float middle = 0;   ///< Flexion of the middle joint.
  float end = 0;      ///< Flexion of the joint below the nail.
};

/// A hand's configuration: fingers from index to little finger, the thumb, and how the whole hand is turned.
struct HandPose {
  std::array<FingerPose, 4> fingers;
  ThumbPose thumb;
  Turn wrist;
};

constexpr int kSignCount = 36;

/// The name of a sign: "0" to "9", then "a" to "z". Throws std::out_of_range outside [0, kSignCount).
std::string_view sign_name(int sign);

/// The handshape of a sign of the American manual alphabet or digit, as a still picture shows it (j and z,
/// which are drawn in the air, as the shape that draws them). Throws std::out_of_range outside [0,
/// kSignCount).
HandPose sign_pose(int sign);

/// What distinguishes one person from another: proportions, skin and habits of posing. Factors are relative
/// to an average hand.
struct Signer {
  float finger_length = 1, thumb_length = 1, palm_width = 1, palm_length = 1, thickness = 1;
  std::array<float, 4> finger_ratio{1, 1, 1, 1};  ///< Length of each finger beside `finger_length`.
  Vec3 skin{0.60f, 0.34f, 0.23f};                 ///< Reflectance (linear red, green, blue) of the palm.
  float back_tone = 0.87f;                        ///< The back of the hand, relative to the palm.
  float redness = 0.5f;                           ///< How much redder fingertips and knuckles are, 0 to 1.
  float gloss = 0.2f;                             ///< Strength of highlights, 0 to 1.
  float cuff = 1;                                 ///< Length of forearm in the picture.
  float looseness = 0;                            ///< Shortens (positive) or deepens every flexion.
  HandPose habit;                                 ///< Angles added to every pose.
};

/// A person, drawn from a stream of random numbers.
Signer draw_signer(PhiloxKey key);

/// `pose` as this signer makes it: with the signer's habits, within what joints allow.
HandPose pose_of_signer(const HandPose& pose, const Signer& signer);

/// What a capsule is a part of, for the blending of surfaces and for the colour of the skin.
enum class HandPart : unsigned char { palm, forearm, knuckle_bone, middle_bone, end_bone };

/// A segment from `from` to `from + axis` swept by a sphere whose radius runs from r0 to r1, swollen by
/// `bulge` half-way.
struct Capsule {
  Vec3 from, axis;
  float r0 = 1, r1 = 1, bulge = 0;
  HandPart part = HandPart::palm;
  int finger = -1;  ///< 0 to 3 from index to little finger, 4 the thumb, -1 none.
  Vec3 back;        ///< Unit vector out of the back of the bone or of the hand, the nail's side.
};

/// A posed hand. Capsules come in the order palm, forearm, then finger by finger from the knuckle outwards.
/// The forearm ends where dot(p, cut_normal) exceeds `cut_offset`.
struct HandGeometry {
  std::vector<Capsule> capsules;
  Vec3 cut_normal;
  float cut_offset = 0;
};

/// The capsules of a hand in its own frame, before any turn of the wrist.
HandGeometry build_hand(const HandPose& pose, const Signer& signer);

}  // namespace signet::data
