#pragma once
// Pictures of the parametric hand: ray marching of its signed distance field, shading with ambient occlusion,
// soft shadows and highlights, two by two samples a pixel, on a black background.

#include <string>
#include <string_view>

#include "data/image.h"
#include "data/synthetic_hand.h"

namespace signet::data {

/// One lamp and the light that comes from everywhere. The picture's x runs right, y up, z towards the viewer.
struct Light {
  Vec3 direction{0, 0, 1};  ///< Towards the lamp, a unit vector.
  float strength = 0.7f;    ///< Of the lamp.
  float ambient = 0.35f;    ///< Of the light from everywhere.
  Vec3 tint{1, 1, 1};       ///< Colour of the lamp.
};

/// The light of a name in file names: bot, dif, left, right or top. Throws Error for another name.
Light light_named(std::string_view name);

/// How the camera sees a hand. The hand is centred and scaled to the frame, as hands cut out of photographs
/// are.
struct View {
  Turn camera;         ///< Turns the hand, after the wrist's own turn.
  float fill = 0.94f;  ///< Share of the frame that the hand's longer side takes.
  float shift_x = 0;   ///< To the right, as a share of the frame.
  float shift_y = 0;   ///< Up, as a share of the frame.
};

/// Renders a hand into a square colour image of `size` pixels a side. The same arguments give the same bytes.
/// Throws std::invalid_argument for a size outside [8, 2048].
Image render_hand(const HandPose& pose, const Signer& signer, const Light& light, const View& view, int size);

}  // namespace signet::data
