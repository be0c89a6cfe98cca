#include "data/synthetic_hand.h"

#include <algorithm>
#include <cmath>

namespace signet::data {
namespace {

/// An average finger: where its knuckle sits in the palm, its bones (knuckle to middle joint, to end joint,
/// to the centre of the tip), its radii from knuckle to tip, and how far its plane of bending leans, so that
/// closing fingers point at the root of the thumb.
struct FingerBuild {
  Vec3 knuckle;
  std::array<float, 3> bones;
  std::array<float, 4> radii;
  float lean;
};

constexpr std::array<FingerBuild, 4> kFingers{{
    {{2.85f, 8.8f, 0.05f}, {4.4f, 2.6f, 1.7f}, {1.04f, 0.94f, 0.86f, 0.72f}, -0.07f},
    {{0.90f, 9.2f, -0.15f}, {4.9f, 3.0f, 1.8f}, {1.06f, 0.96f, 0.88f, 0.74f}, -0.01f},
    {{-1.05f, 8.8f, -0.10f}, {4.5f, 2.9f, 1.8f}, {1.01f, 0.91f, 0.83f, 0.70f}, 0.06f},
    {{-2.85f, 7.9f, 0.10f}, {3.6f, 2.1f, 1.6f}, {0.92f, 0.81f, 0.73f, 0.61f}, 0.08f},
}};

constexpr Vec3 kThumbRoot{2.2f, 2.2f, 0.75f};
constexpr std::array<float, 3> kThumbBones{4.1f, 3.2f, 2.1f};
constexpr std::array<float, 4> kThumbRadii{1.6f, 1.2f, 1.04f, 0.82f};
constexpr int kThumb = 4;

/// Where the bones of a finger meet, and the backs of the bones.
struct Chain {
  std::array<Vec3, 4> joints;
  std::array<Vec3, 3> backs;
};

/// Bends a chain in one plane: from `root` along `direction`, towards `inward` (both unit vectors,
/// orthogonal).
Chain bend(Vec3 root, Vec3 direction, Vec3 inward, const std::array<float, 3>& flexions,
           const std::array<float, 3>& lengths) {
  Chain chain;
  chain.joints[0] = root;
  float angle = 0;
  for (int i = 0; i < 3; ++i) {
    angle += flexions[i];
    const Vec3 along = std::cos(angle) * direction + std::sin(angle) * inward;
    chain.joints[i + 1] = chain.joints[i] + lengths[i] * along;
    chain.backs[i] = std::sin(angle) * direction - std::cos(angle) * inward;
  }
  return chain;
}

Chain finger_chain(const FingerPose& pose, const Signer& signer, int finger) {
  const FingerBuild& build = kFingers[finger];
  const float stretch = signer.finger_length * signer.finger_ratio[finger];
  const Vec3 root{signer.palm_width * build.knuckle.x, signer.palm_length * build.knuckle.y, build.knuckle.z};
  const Vec3 direction{std::sin(pose.spread), std::cos(pose.spread), 0};
  const Vec3 beside{std::cos(pose.spread), -std::sin(pose.spread), 0};
  const Vec3 inward = std::cos(build.lean) * Vec3{0, 0, 1} + std::sin(build.lean) * beside;
  return bend(root, direction, inward, {pose.knuckle, pose.middle, pose.end},
              {stretch * build.bones[0], stretch * build.bones[1], stretch * build.bones[2]});
}

Chain thumb_chain(const ThumbPose& pose, const Signer& signer) {
  const Vec3 root{signer.palm_width * kThumbRoot.x, signer.palm_length * kThumbRoot.y, kThumbRoot.z};
  const Vec3 direction{std::sin(pose.out) * std::cos(pose.forward),
                       std::cos(pose.out) * std::cos(pose.forward), std::sin(pose.forward)};
  const Vec3 along_palm{-std::cos(pose.out), std::sin(pose.out), 0};
  const Vec3 inward = std::cos(pose.roll) * along_palm + std::sin(pose.roll) * cross(direction, along_palm);
  std::array<float, 3> bones = kThumbBones;
  for (float& bone : bones) bone *= signer.thumb_length;
  return bend(root, direction, inward, {0, pose.middle, pose.end}, bones);
}

Capsule capsule(Vec3 from, Vec3 to, float r0, float r1, HandPart part) {
  Capsule c;
  c.from = from;
  c.axis = to - from;
  c.r0 = r0;
  c.r1 = r1;
  c.part = part;
  c.back = {0, 0, -1};
  return c;
}

void add_chain(std::vector<Capsule>& capsules, const Chain& chain, const std::array<float, 4>& radii,
               float thickness, int finger) {
  constexpr HandPart kParts[] = {HandPart::knuckle_bone, HandPart::middle_bone, HandPart::end_bone};
  // The thumb's first bone lies inside the ball of the thumb, which is a part of the palm.
  for (int i = finger == kThumb ? 1 : 0; i < 3; ++i) {
    Capsule c = capsule(chain.joints[i], chain.joints[i + 1], thickness * radii[i], thickness * radii[i + 1],
                        kParts[i]);
    c.bulge = thickness * (i == 2 ? 0.07f : 0.03f);
    c.finger = finger;
    c.back = chain.backs[i];
    capsules.push_back(c);
  }
}

/// The flesh of the palm: a capsule along each bone behind a knuckle, the ball of the thumb, the edge of the
/// hand, and the webs between neighbours.
void add_palm(std::vector<Capsule>& capsules, const std::array<Chain, 4>& fingers, const Chain& thumb,
              const Signer& signer) {
  const float w = signer.palm_width, l = signer.palm_length, t = signer.thickness;
  for (int f = 0; f < 4; ++f) {
    const Vec3 knuckle = fingers[f].joints[0];
    const Vec3 heel{w * (1.3f - 0.85f * float(f)), 1.0f * l, -0.1f};
    capsules.push_back(capsule(heel, knuckle, 1.25f * t, 1.05f * kFingers[f].radii[0] * t, HandPart::palm));
  }
  capsules.push_back(capsule({-2.0f * w, 1.6f * l, 0.55f}, {-2.9f * w, 6.2f * l, 0.35f}, 1.25f * t, 1.0f * t,
                             HandPart::palm));
  Capsule ball =
      capsule(thumb.joints[0], thumb.joints[1], kThumbRadii[0] * t, kThumbRadii[1] * t, HandPart::palm);
  ball.bulge = 0.12f * t;
  capsules.push_back(ball);
  const auto along = [](const Chain& chain, int bone, float share) {
    return chain.joints[bone] + share * (chain.joints[bone + 1] - chain.joints[bone]);
  };
  capsules.push_back(
      capsule({2.2f * w, 5.6f * l, 0}, along(thumb, 0, 0.72f), 0.75f * t, 0.7f * t, HandPart::palm));
  for (int f = 0; f < 3; ++f) {
    capsules.push_back(capsule(along(fingers[f], 0, 0.24f), along(fingers[f + 1], 0, 0.26f), 0.62f * t,
                               0.6f * t, HandPart::palm));
  }
}

void add_forearm(HandGeometry& hand, const Signer& signer) {
  const float w = signer.palm_width, t = signer.thickness;
  for (const float side : {-1.0f, 1.0f}) {
    hand.capsules.push_back(capsule({side * 1.15f * w, 0.9f, -0.1f}, {side * 1.35f * w, -5.0f, -0.1f},
                                    1.5f * t, 1.75f * t, HandPart::forearm));
  }
  hand.cut_normal = normalized({0.12f, -1, 0});
  hand.cut_offset = signer.cuff;
}

float uniform(const std::array<uint32_t, 4>& bits, int word, float low, float high) {
  return low + (high - low) * philox_uniform(bits[word]);
}

/// Adds a habit to an angle, the share of it that leaves the result within what the joint allows.
float within(float angle, float habit, float low, float high) {
  return std::clamp(angle + habit, std::min(angle, low), std::max(angle, high));
}

}  // namespace

Vec3 normalized(Vec3 v) {
  return 1.0f / std::sqrt(dot(v, v)) * v;
}

Vec3 Turn::apply(Vec3 v) const {
  v = {std::cos(yaw) * v.x + std::sin(yaw) * v.z, v.y, std::cos(yaw) * v.z - std::sin(yaw) * v.x};
  v = {v.x, std::cos(pitch) * v.y - std::sin(pitch) * v.z, std::cos(pitch) * v.z + std::sin(pitch) * v.y};
  return {std::cos(roll) * v.x - std::sin(roll) * v.y, std::cos(roll) * v.y + std::sin(roll) * v.x, v.z};
}

Signer draw_signer(PhiloxKey key) {
  Signer s;
  const auto size = philox(key, 0), shape = philox(key, 1), look = philox(key, 2), pose = philox(key, 3);
  s.finger_length = uniform(size, 0, 0.90f, 1.10f);
  s.palm_width = uniform(size, 1, 0.92f, 1.08f);
  s.thickness = uniform(size, 2, 0.90f, 1.12f);
  s.palm_length = uniform(size, 3, 0.95f, 1.05f);
  for (int f = 0; f < 4; ++f) s.finger_ratio[f] = uniform(shape, f, 0.96f, 1.04f);
  // Reflectances lie on a line from dark to fair skin, with a little of their own around it.
  const float tone = uniform(look, 0, 0, 1);
  s.skin = {0.20f + 0.52f * tone, 0.085f + 0.325f * tone, 0.05f + 0.22f * tone};
  s.skin = uniform(look, 1, 0.93f, 1.07f) * s.skin;
  s.skin.y *= uniform(pose, 2, 0.94f, 1.06f);
  s.back_tone = 0.68f + 0.22f * tone;
  s.redness = uniform(look, 2, 0.2f, 0.8f);
  s.gloss = uniform(look, 3, 0.08f, 0.35f);
  s.thumb_length = uniform(pose, 0, 0.94f, 1.06f);
  s.cuff = uniform(pose, 1, 0.2f, 1.6f);
  s.looseness = uniform(pose, 3, -0.05f, 0.10f);
  for (int f = 0; f < 4; ++f) {
    const auto bits = philox(key, 4 + uint64_t(f));
    s.habit.fingers[f] = {
        uniform(bits, 0, radians(-7), radians(7)), uniform(bits, 1, radians(-3), radians(3)),
        uniform(bits, 2, radians(-6), radians(9)), uniform(bits, 3, radians(-5), radians(7))};
  }
  const auto thumb = philox(key, 8), wrist = philox(key, 9);
  s.habit.thumb = {uniform(thumb, 0, radians(-5), radians(5)), uniform(thumb, 1, radians(-4), radians(4)),
                   uniform(thumb, 2, radians(-5), radians(5)), uniform(thumb, 3, radians(-6), radians(6)),
                   uniform(wrist, 3, radians(-8), radians(8))};
  s.habit.wrist = {uniform(wrist, 0, radians(-14), radians(14)), uniform(wrist, 1, radians(-9), radians(9)),
                   uniform(wrist, 2, radians(-8), radians(8))};
  return s;
}

HandPose pose_of_signer(const HandPose& pose, const Signer& signer) {
  HandPose result = pose;
  const HandPose& habit = signer.habit;
  const float share = 1 - signer.looseness;
  for (int f = 0; f < 4; ++f) {
    const FingerPose& p = pose.fingers[f];
    const FingerPose& h = habit.fingers[f];
    // Fingers splay only when straight: the spread of a bent finger is held by its neighbours.
    const float freedom = std::max(0.0f, std::cos(p.knuckle));
    result.fingers[f] = {within(share * p.knuckle, h.knuckle, radians(-12), radians(95)),
                         p.spread + freedom * h.spread,
                         within(share * p.middle, h.middle, radians(0), radians(112)),
                         within(share * p.end, h.end, radians(-3), radians(75))};
  }
  result.thumb.out += habit.thumb.out;
  result.thumb.forward += habit.thumb.forward;
  result.thumb.roll += habit.thumb.roll;
  result.thumb.middle = within(pose.thumb.middle, habit.thumb.middle, radians(-10), radians(65));
  result.thumb.end = within(pose.thumb.end, habit.thumb.end, radians(-20), radians(80));
  result.wrist.yaw += habit.wrist.yaw;
  result.wrist.pitch += habit.wrist.pitch;
  result.wrist.roll += habit.wrist.roll;
  return result;
}

HandGeometry build_hand(const HandPose& pose, const Signer& signer) {
  std::array<Chain, 4> fingers;
  for (int f = 0; f < 4; ++f) fingers[f] = finger_chain(pose.fingers[f], signer, f);
  const Chain thumb = thumb_chain(pose.thumb, signer);
  HandGeometry hand;
  add_palm(hand.capsules, fingers, thumb, signer);
  add_forearm(hand, signer);
  for (int f = 0; f < 4; ++f) add_chain(hand.capsules, fingers[f], kFingers[f].radii, signer.thickness, f);
  add_chain(hand.capsules, thumb, kThumbRadii, signer.thickness, kThumb);
  return hand;
}

}  // namespace signet::data
