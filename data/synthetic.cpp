#include "data/synthetic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <stdexcept>
#include <string_view>

#include "data/encode.h"
#include "kernels/parallel.h"
#include "kernels/philox.h"
#include "tensor/error.h"

namespace signet::data {
namespace {

/// What a stream of random numbers is for; the first word of every key.
enum Purpose : uint64_t { kPerson = 1, kWay, kSitting, kTake, kShape, kPicture };

constexpr int kFirstPretrainingSigner = 101;
constexpr std::array<std::string_view, 5> kLights{"bot", "dif", "left", "right", "top"};

PhiloxKey key_of(uint64_t seed, Purpose purpose, uint64_t a, uint64_t b = 0, uint64_t c = 0) {
  return philox_derive({seed, purpose}, a, b, c);
}

/// Numbers of one stream, one after another.
class Draws {
 public:
  explicit Draws(PhiloxKey key) : key_(key) {}

  /// Uniform in [low, high).
  float uniform(float low, float high) {
    if (next_ % 4 == 0) bits_ = philox(key_, next_ / 4);
    return low + (high - low) * philox_uniform(bits_[next_++ % 4]);
  }

  /// Uniform in [-1, 1), in degrees, times `size`.
  float angle(float size) { return radians(uniform(-size, size)); }

  int below(int count) { return std::min(count - 1, int(uniform(0, float(count)))); }

 private:
  PhiloxKey key_;
  uint64_t next_ = 0;
  std::array<uint32_t, 4> bits_{};
};

/// Moves every joint by up to `joints` degrees and the wrist by up to `wrist` degrees.
void vary(HandPose& pose, Draws& draws, float joints, float wrist) {
  for (FingerPose& finger : pose.fingers) {
    finger.knuckle += draws.angle(joints);
    finger.spread += draws.angle(0.4f * joints);
    finger.middle += draws.angle(joints);
    finger.end += draws.angle(joints);
  }
  pose.thumb.out += draws.angle(joints);
  pose.thumb.forward += draws.angle(0.7f * joints);
  pose.thumb.roll += draws.angle(joints);
  pose.thumb.middle += draws.angle(joints);
  pose.thumb.end += draws.angle(joints);
  pose.wrist.yaw += draws.angle(wrist);
  pose.wrist.pitch += draws.angle(0.7f * wrist);
  pose.wrist.roll += draws.angle(0.7f * wrist);
}

constexpr FingerPose bent(float knuckle, float middle, float end) {
  return {radians(knuckle), 0, radians(middle), radians(end)};
}

/// A random handshape: each finger straight, hooked, flat-bent, rounded or closed; the thumb as some sign has
/// it.
HandPose draw_shape(PhiloxKey key) {
  constexpr FingerPose kBends[] = {bent(2, 4, 2), bent(28, 92, 42), bent(72, 12, 6), bent(46, 54, 30),
                                   bent(84, 100, 56)};
  constexpr Turn kTurns[] = {{0, 0, 0},
                             {radians(52), 0, 0},
                             {0, 0, radians(84)},
                             {radians(-60), 0, radians(60)},
                             {0, radians(30), 0}};
  Draws draws(key);
  HandPose pose;
  const float splay = draws.uniform(0.0f, 1.0f);
  for (int f = 0; f < 4; ++f) {
    // Straight and closed fingers are the commonest, in signs as in the use of hands.
    const int kind = std::array{0, 0, 0, 1, 2, 3, 4, 4, 4}[draws.below(9)];
    pose.fingers[f] = kBends[kind];
    pose.fingers[f].spread = kind == 0 ? splay * radians(12.0f - 11.0f * float(f)) : 0;
  }
  pose.thumb = sign_pose(draws.below(kSignCount)).thumb;
  pose.wrist = kTurns[draws.below(int(std::size(kTurns)))];
  return pose;
}

/// Root mean square difference of the joint angles, the turn of the wrist left out, in radians.
float difference(const HandPose& a, const HandPose& b) {
  const auto square = [](float x) { return x * x; };
  float sum = 0;
  for (int f = 0; f < 4; ++f) {
    sum += square(a.fingers[f].knuckle - b.fingers[f].knuckle) +
           square(a.fingers[f].middle - b.fingers[f].middle);
  }
  sum += square(a.thumb.out - b.thumb.out) + square(a.thumb.forward - b.thumb.forward);
  return std::sqrt(sum / 10);
}

/// Whether the middle finger stands alone, which is no shape for a data set.
bool is_rude(const HandPose& pose) {
  const auto stands = [&](int f) { return pose.fingers[f].knuckle + pose.fingers[f].middle < radians(30); };
  return stands(1) && !stands(0) && !stands(2);
}

std::vector<HandPose> draw_shapes(int count, uint64_t seed) {
  constexpr float kApart = radians(14);
  std::vector<HandPose> shapes;
  for (uint64_t attempt = 0; int(shapes.size()) < count; ++attempt) {
    const HandPose shape = draw_shape(key_of(seed, kShape, attempt));
    const auto is_near = [&](const HandPose& other) { return difference(shape, other) < kApart; };
    bool rejected = is_rude(shape);
    for (int sign = 0; sign < kSignCount; ++sign) rejected |= is_near(sign_pose(sign));
    if (!rejected && std::none_of(shapes.begin(), shapes.end(), is_near)) shapes.push_back(shape);
  }
  return shapes;
}

Image pretraining_image(const HandPose& shape, int class_index, int image, int signer, std::string_view light,
                        const SyntheticPretrainingOptions& options) {
  Draws draws(key_of(options.seed, kPicture, uint64_t(class_index), uint64_t(image)));
  HandPose pose = shape;
  vary(pose, draws, 7, 16);
  View view;
  view.fill = draws.uniform(0.84f, 0.96f);
  view.shift_x = draws.uniform(-0.02f, 0.02f);
  view.shift_y = draws.uniform(-0.02f, 0.02f);
  const Signer person = draw_signer(key_of(options.seed, kPerson, uint64_t(signer)));
  return render_hand(pose, person, light_named(light), view, options.size);
}

void check_range(const char* name, int value, int low, int high) {
  if (value < low || value > high) {
    fail("synthetic data set: {} is {}, but must lie between {} and {}", name, value, low, high);
  }
}

void check_names(const char* what, const std::vector<std::string>& names) {
  if (std::set<std::string>(names.begin(), names.end()).size() != names.size()) {
    fail("synthetic data set: a {} is named twice", what);
  }
}

int sign_named(const std::string& name) {
  for (int sign = 0; sign < kSignCount; ++sign) {
    if (sign_name(sign) == name) return sign;
  }
  fail("synthetic data set: class '{}' is none of 0 to 9, a to z", name);
}

std::filesystem::path file_of(const std::filesystem::path& folder, std::string_view label, int signer,
                              std::string_view light, int take) {
  return folder / label / fmt::format("hand{}_{}_{}_seg_{}_cropped.png", signer, label, light, take);
}

}  // namespace

Image synthetic_sign(int sign, int signer, const std::string& light, int take, int size, uint64_t seed) {
  const auto at = std::find(kLights.begin(), kLights.end(), light);
  const uint64_t s = uint64_t(signer), c = uint64_t(sign), l = uint64_t(at - kLights.begin());
  const Signer person = draw_signer(key_of(seed, kPerson, s));
  Draws way(key_of(seed, kWay, s, c)), sitting(key_of(seed, kSitting, s, c, l));
  Draws near_twin(philox_derive(key_of(seed, kTake, s, c, l), uint64_t(take)));
  HandPose pose = sign_pose(sign);
  vary(pose, way, 6, 8);
  vary(pose, sitting, 2.5f, 4);
  vary(pose, near_twin, 1.5f, 2);
  View view;
  view.fill = sitting.uniform(0.90f, 0.945f) + near_twin.uniform(-0.005f, 0.005f);
  view.shift_x = near_twin.uniform(-0.012f, 0.012f);
  view.shift_y = near_twin.uniform(-0.012f, 0.012f);
  return render_hand(pose, person, light_named(light), view, size);
}

Image synthetic_sign_sheet(int columns, int size, uint64_t seed) {
  const int rows = (kSignCount + columns - 1) / columns;
  Image sheet{rows * size, columns * size, 3, std::vector<uint8_t>(size_t(rows) * columns * size * size * 3)};
  parallel_for(kSignCount, [&](int64_t sign) {
    const int row = int(sign) / columns, column = int(sign) % columns;
    const std::string light(kLights[(size_t(row) + 1) % kLights.size()]);
    const Image image = synthetic_sign(int(sign), row + 1, light, 0, size, seed);
    for (int y = 0; y < size; ++y) {
      const auto from = image.pixels.begin() + size_t(y) * size * 3;
      std::copy(from, from + size_t(size) * 3,
                sheet.pixels.begin() + ((size_t(row) * size + y) * columns + column) * size * 3);
    }
  });
  return sheet;
}

HandPose synthetic_shape(int shape, uint64_t seed) {
  if (shape < 0 || shape >= 100) throw std::out_of_range("[synthetic_shape] shape must lie in [0, 100)");
  return draw_shapes(shape + 1, seed).back();
}

void write_synthetic_signs(const std::filesystem::path& folder, const SyntheticOptions& options) {
  check_range("signers", options.signers, 1, kFirstPretrainingSigner - 1);
  check_range("takes", options.takes, 1, 1000);
  check_range("size", options.size, 16, 1024);
  if (options.lights.empty()) fail("synthetic data set: lights are empty: name at least one");
  check_names("light", options.lights);
  check_names("class", options.classes);
  for (const std::string& light : options.lights) light_named(light);
  std::vector<int> signs;
  for (const std::string& name : options.classes) signs.push_back(sign_named(name));
  for (int sign = 0; options.classes.empty() && sign < kSignCount; ++sign) signs.push_back(sign);

  const int lights = int(options.lights.size()), takes = options.takes;
  const int of_sign = options.signers * lights * takes;
  parallel_for(int64_t(signs.size()) * of_sign, [&](int64_t i) {
    const int sign = signs[size_t(i / of_sign)], rest = int(i % of_sign);
    const int signer = 1 + rest / (lights * takes), take = rest % takes;
    const std::string& light = options.lights[size_t(rest / takes % lights)];
    write_png(file_of(folder, sign_name(sign), signer, light, take + 1),
              synthetic_sign(sign, signer, light, take, options.size, options.seed));
  });
}

void write_synthetic_pretraining(const std::filesystem::path& folder,
                                 const SyntheticPretrainingOptions& options) {
  check_range("shapes", options.shapes, 2, 100);
  check_range("images", options.images, 1, 10000);
  check_range("signers", options.signers, 1, 1000);
  check_range("size", options.size, 16, 1024);
  const std::vector<HandPose> shapes = draw_shapes(options.shapes, options.seed);
  parallel_for(int64_t(options.shapes) * options.images, [&](int64_t i) {
    const int shape = int(i / options.images), image = int(i % options.images);
    const int signer = kFirstPretrainingSigner + image % options.signers;
    const std::string_view light =
        kLights[size_t(image / options.signers + image % options.signers) % kLights.size()];
    write_png(file_of(folder, fmt::format("shape{:02}", shape + 1), signer, light, image + 1),
              pretraining_image(shapes[size_t(shape)], shape, image, signer, light, options));
  });
}

}  // namespace signet::data
