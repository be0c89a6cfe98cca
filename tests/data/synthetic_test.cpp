#include "data/synthetic.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include "data/decode.h"
#include "data/name_pattern.h"
#include "kernels/parallel.h"
#include "tensor/files.h"
#include "tests/data/fixtures.h"

using namespace signet;
using namespace signet::data;

namespace {

constexpr uint64_t kSeed = 7;

Image sign_image(const char* name, int signer, int take = 0, const char* light = "dif", int size = 64) {
  for (int sign = 0; sign < kSignCount; ++sign) {
    if (sign_name(sign) == name) return synthetic_sign(sign, signer, light, take, size, kSeed);
  }
  throw std::invalid_argument(name);
}

bool is_hand(const Image& image, int y, int x) {
  const uint8_t* pixel = &image.pixels[(size_t(y) * image.width + x) * 3];
  return std::max({pixel[0], pixel[1], pixel[2]}) > 0;
}

/// Share of the pixels that show some of the hand.
double coverage(const Image& image) {
  int count = 0;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) count += is_hand(image, y, x);
  }
  return double(count) / (image.height * image.width);
}

/// Number of connected pieces of hand, corners counting as contact.
int pieces(const Image& image) {
  std::vector<int> seen(size_t(image.height) * image.width);
  int count = 0;
  for (int start = 0; start < image.height * image.width; ++start) {
    if (seen[start] || !is_hand(image, start / image.width, start % image.width)) continue;
    ++count;
    std::vector<int> open{start};
    seen[start] = 1;
    while (!open.empty()) {
      const int at = open.back();
      open.pop_back();
      for (int dy = -1; dy <= 1; ++dy) {
        for (int dx = -1; dx <= 1; ++dx) {
          const int y = at / image.width + dy, x = at % image.width + dx;
          if (y < 0 || x < 0 || y >= image.height || x >= image.width) continue;
          const int next = y * image.width + x;
          if (seen[next] || !is_hand(image, y, x)) continue;
          seen[next] = 1;
          open.push_back(next);
        }
      }
    }
  }
  return count;
}

double rms(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) {
    const double d = (double(a.pixels[i]) - double(b.pixels[i])) / 255;
    sum += d * d;
  }
  return std::sqrt(sum / double(a.pixels.size()));
}

/// Mean brightness of a part of an image, the background left out.
double brightness(const Image& image, int y0, int y1, int x0, int x1) {
  double sum = 0, count = 0;
  for (int y = y0; y < y1; ++y) {
    for (int x = x0; x < x1; ++x) {
      if (!is_hand(image, y, x)) continue;
      sum += image.pixels[(size_t(y) * image.width + x) * 3 + 1];
      ++count;
    }
  }
  return sum / count;
}

std::map<std::string, std::string> files_below(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files[std::filesystem::relative(entry.path(), folder).string()] = read_file(entry.path());
  }
  return files;
}

/// Restores the number of threads at the end of a test.
struct Threads {
  int before = num_threads();
  ~Threads() { set_num_threads(before); }
};

}  // namespace

TEST_CASE("rendered signs fill the frame, hang together and stand on black") {
  double sum = 0;
  for (int sign = 0; sign < kSignCount; ++sign) {
    CAPTURE(sign_name(sign));
    for (int signer = 1; signer <= 3; ++signer) {
      const Image image = synthetic_sign(sign, signer, "dif", 0, 64, kSeed);
      REQUIRE(image.height == 64);
      REQUIRE(image.width == 64);
      REQUIRE(image.channels == 3);
      const double share = coverage(image);
      sum += share;
      CHECK(share > 0.14);
      CHECK(share < 0.65);
      CHECK(pieces(image) == 1);
      bool border = false;
      for (int i = 0; i < 64; ++i) {
        border |=
            is_hand(image, 0, i) || is_hand(image, 63, i) || is_hand(image, i, 0) || is_hand(image, i, 63);
      }
      CHECK_FALSE(border);
    }
  }
  CHECK(sum / (3 * kSignCount) > 0.2);
  CHECK(sum / (3 * kSignCount) < 0.5);
}

TEST_CASE("takes are near-twins, other signs, signers and lights are not") {
  double takes = 0, lights = 0, signers = 0;
  for (int sign = 0; sign < kSignCount; ++sign) {
    const Image one = synthetic_sign(sign, 1, "left", 0, 64, kSeed);
    takes += rms(one, synthetic_sign(sign, 1, "left", 1, 64, kSeed)) / kSignCount;
    lights += rms(one, synthetic_sign(sign, 1, "right", 0, 64, kSeed)) / kSignCount;
    signers += rms(one, synthetic_sign(sign, 2, "left", 0, 64, kSeed)) / kSignCount;
  }
  double signs = 0;
  for (int sign = 1; sign < kSignCount; ++sign) {
    signs += rms(synthetic_sign(0, 1, "left", 0, 64, kSeed), synthetic_sign(sign, 1, "left", 0, 64, kSeed)) /
             (kSignCount - 1);
  }
  CHECK(takes > 0.01);
  CHECK(takes < 0.1);
  CHECK(lights > 1.4 * takes);
  CHECK(signers > 1.4 * takes);
  CHECK(signs > 2 * takes);
}

TEST_CASE("the look-alikes look alike and the others do not") {
  const auto apart = [](int a, int b) {
    return rms(render_hand(sign_pose(a), {}, light_named("dif"), {}, 64),
               render_hand(sign_pose(b), {}, light_named("dif"), {}, 64));
  };
  const auto letter = [](char c) { return 10 + c - 'a'; };
  const double look_alikes = std::max({apart(0, letter('o')), apart(2, letter('v')), apart(6, letter('w'))});
  CHECK(look_alikes < apart(1, 2));
  CHECK(look_alikes < apart(letter('a'), letter('b')));
  CHECK(look_alikes < apart(letter('g'), letter('p')));
}

TEST_CASE("thumbs are on the right, straight fingers point up, lamps light their side") {
  // The l stretches the index finger up and the thumb far to its right; the closed fingers are on its left.
  const Image l = render_hand(sign_pose(10 + 'l' - 'a'), {}, light_named("dif"), {}, 64);
  int top = -1, left = 64, right = -1;
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      if (!is_hand(l, y, x)) continue;
      if (top < 0) top = x;
      left = std::min(left, x);
      right = std::max(right, x);
    }
  }
  CHECK(right - top > top - left + 4);
  const Image lit_left = sign_image("b", 1, 0, "left"), lit_right = sign_image("b", 1, 0, "right");
  CHECK(brightness(lit_left, 0, 64, 0, 32) > brightness(lit_right, 0, 64, 0, 32));
  CHECK(brightness(lit_left, 0, 64, 32, 64) < brightness(lit_right, 0, 64, 32, 64));
}

TEST_CASE("flexion bends fingers towards the palm") {
  HandPose fist;
  for (FingerPose& finger : fist.fingers) finger = {radians(85), 0, radians(95), radians(50)};
  const HandGeometry open = build_hand({}, {}), closed = build_hand(fist, {});
  for (size_t i = 0; i < open.capsules.size(); ++i) {
    if (open.capsules[i].part != HandPart::end_bone || open.capsules[i].finger == 4) continue;
    const auto tip = [&](const HandGeometry& hand) { return hand.capsules[i].from + hand.capsules[i].axis; };
    CHECK(tip(open).y > 13);
    CHECK(tip(closed).y < 10);
    CHECK(tip(closed).z > tip(open).z + 1);
  }
}

TEST_CASE("the files are the same for any number of threads, and a subset of classes is a subset of files") {
  const Threads restore;
  SyntheticOptions options{2, {"left", "top"}, 2, 32, kSeed, {"3", "k", "y"}};
  SyntheticPretrainingOptions pretraining{4, 6, 3, 32, kSeed};
  const TemporaryFolder one, many;
  set_num_threads(1);
  write_synthetic_signs(one.path() / "signs", options);
  write_synthetic_pretraining(one.path() / "shapes", pretraining);
  set_num_threads(3);
  write_synthetic_signs(many.path() / "signs", options);
  write_synthetic_pretraining(many.path() / "shapes", pretraining);
  const auto files = files_below(one.path());
  CHECK(files.size() == 3 * 2 * 2 * 2 + 4 * 6);
  CHECK((files == files_below(many.path())));
  CHECK(files.count("signs/k/hand2_k_top_seg_1_cropped.png") == 1);

  const TemporaryFolder few;
  options.classes = {"k"};
  write_synthetic_signs(few.path(), options);
  for (const auto& [name, bytes] : files_below(few.path())) CHECK((files.at("signs/" + name) == bytes));

  options.seed = kSeed + 1;
  const TemporaryFolder other;
  write_synthetic_signs(other.path(), options);
  for (const auto& [name, bytes] : files_below(other.path())) CHECK((files.at("signs/" + name) != bytes));
}

TEST_CASE("file names and pixels are read back") {
  const TemporaryFolder folder;
  write_synthetic_signs(folder.path(), {1, {"bot"}, 2, 48, kSeed, {"w"}});
  const std::string name = "hand1_w_bot_seg_2_cropped.png";
  const Image expected = sign_image("w", 1, 1, "bot", 48);
  CHECK((load_image(folder.path() / "w" / name).pixels == expected.pixels));
  const NameFields fields = NamePattern().read(name);
  CHECK(fields.signer == "1");
  CHECK(fields.light == "bot");
  CHECK(fields.take == "2");
}

TEST_CASE("pretraining has other people and other handshapes than the signs") {
  const TemporaryFolder folder;
  write_synthetic_pretraining(folder.path(), {3, 10, 4, 32, kSeed});
  std::map<std::string, int> signers, lights;
  for (const auto& [path, bytes] : files_below(folder.path())) {
    CHECK(path.substr(0, 6) == "shape0");
    const NameFields fields = NamePattern().read(std::filesystem::path(path).filename().string());
    CHECK(std::stoi(fields.signer) > 100);
    ++signers[fields.signer];
    ++lights[fields.light];
  }
  CHECK(signers.size() == 4);
  CHECK(lights.size() == 5);

  std::vector<HandPose> poses;
  for (int sign = 0; sign < kSignCount; ++sign) poses.push_back(sign_pose(sign));
  for (int shape = 0; shape < 36; ++shape) {
    const HandPose drawn = synthetic_shape(shape, kSeed);
    float nearest = 1e9f;
    for (const HandPose& pose : poses) {
      float largest = std::max(std::fabs(pose.thumb.out - drawn.thumb.out),
                               std::fabs(pose.thumb.forward - drawn.thumb.forward));
      for (int f = 0; f < 4; ++f) {
        largest = std::max({largest, std::fabs(pose.fingers[f].knuckle - drawn.fingers[f].knuckle),
                            std::fabs(pose.fingers[f].middle - drawn.fingers[f].middle)});
      }
      nearest = std::min(nearest, largest);
    }
    CHECK(nearest > radians(14));
    poses.push_back(drawn);
  }
}

TEST_CASE("wrong options are refused, each by its name") {
  const TemporaryFolder folder;
  const auto signs = [&](SyntheticOptions options) {
    return error_of([&] { write_synthetic_signs(folder.path(), options); });
  };
  CHECK(signs({0, {"dif"}, 1, 64, 0, {}}) ==
        "synthetic data set: signers is 0, but must lie between 1 and 100");
  CHECK(signs({1, {"dif"}, 0, 64, 0, {}}).find("takes is 0") != std::string::npos);
  CHECK(signs({1, {"dif"}, 1, 8, 0, {}}).find("size is 8") != std::string::npos);
  CHECK(signs({1, {}, 1, 64, 0, {}}).find("lights") != std::string::npos);
  CHECK(signs({1, {"dim"}, 1, 64, 0, {}}).find("'dim'") != std::string::npos);
  CHECK(signs({1, {"dif", "dif"}, 1, 64, 0, {}}).find("twice") != std::string::npos);
  CHECK(signs({1, {"dif"}, 1, 64, 0, {"aa"}}).find("'aa'") != std::string::npos);
  const auto shapes = [&](SyntheticPretrainingOptions options) {
    return error_of([&] { write_synthetic_pretraining(folder.path(), options); });
  };
  CHECK(shapes({1, 4, 4, 64, 0}).find("shapes is 1") != std::string::npos);
  CHECK(shapes({4, 0, 4, 64, 0}).find("images is 0") != std::string::npos);
  CHECK(shapes({4, 4, 0, 64, 0}).find("signers is 0") != std::string::npos);
  CHECK(files_below(folder.path()).empty());

  CHECK_THROWS_AS(sign_pose(kSignCount), std::out_of_range);
  CHECK_THROWS_AS(sign_name(-1), std::out_of_range);
  CHECK_THROWS_AS(synthetic_shape(100, 0), std::out_of_range);
  CHECK_THROWS_AS(render_hand({}, {}, {}, {}, 4), std::invalid_argument);
}
