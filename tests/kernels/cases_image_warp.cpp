#include <fmt/format.h>

#include "tests/kernels/suite.h"

namespace signet::test {
namespace {

/// What augmentation draws, and what it never should: a collapsed plane, a source far outside, a reversed
/// contrast.
std::vector<ImageWarp> warps() {
  return {{},
          {.m = {-1, 0, 0, 0, 1, 0}},
          {.m = {1, 0, 3, 0, 1, -2}},
          {.m = {1, 0, 0.3f, 0, 1, -0.45f}},
          {.m = {0.9659258f, -0.2588190f, 0, 0.2588190f, 0.9659258f, 0}, .brightness = 1.3f},
          {.m = {0.7f, 0.1f, 1.5f, -0.2f, 0.8f, -0.5f}, .brightness = 0.6f, .contrast = 1.4f},
          {.contrast = 0.5f},
          {.m = {-1.3f, 0, 0, 0, 1.3f, 0}, .contrast = 0},
          {.m = {0, 0, 0, 0, 0, 0}},
          {.m = {0.9659258f, -0.2588190f, 1.3f, 0.2588190f, 0.9659258f, 0}, .nearest = true},
          {.m = {1e20f, 0, 0, 0, 1e20f, 0}, .nearest = true},
          {.m = {1e20f, 0, 0, 0, 1e20f, 0}, .brightness = 2, .contrast = -1}};
}

OpCase warp_case(const std::vector<ImageWarp>& list, int64_t height, int64_t width, int64_t channels) {
  Data data("image_warp");
  const auto batch = int64_t(list.size());
  std::vector<uint8_t> images(size_t(batch * height * width * channels));
  for (uint8_t& value : images) value = uint8_t(data.bits());
  return {
      .kernel = "image_warp",
      .options = fmt::format("[{}x{}x{}x{}]", batch, height, width, channels),
      .args = {output("y", batch * height * width * channels), raw("images", Role::input, images),
               raw("warps", Role::input, list), input("mean", data.uniform(channels, 0.4, 0.5)),
               input("deviation", data.uniform(channels, 0.2, 0.3))},
      .call = [=](const auto& k,
                  Pointers p) { k.image_warp(p[0], p[1], p[2], p[3], p[4], batch, height, width, channels); },
      .exact = true};
}

}  // namespace

void add_image_warp(Suite& suite, Scale scale) {
  if (scale == Scale::bench) {
    suite.cases.push_back(warp_case(std::vector<ImageWarp>(8, warps()[4]), 224, 224, 3));
    return;
  }
  suite.cases.push_back(warp_case({}, 4, 4, 3));
  for (const int64_t channels : {1, 3})
    for (const auto& [height, width] :
         std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {2, 1}, {5, 7}, {16, 33}, {60, 48}})
      suite.cases.push_back(warp_case(warps(), height, width, channels));
}

}  // namespace signet::test
