#include "data/file_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>

#include "data/median.h"
#include "tensor/hash.h"

namespace signet::data {
namespace {

bool is_blank(const Image& image) {
  std::vector<uint8_t> low(size_t(image.channels), 255), high(size_t(image.channels), 0);
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    const size_t c = i % size_t(image.channels);
    low[c] = std::min(low[c], image.pixels[i]);
    high[c] = std::max(high[c], image.pixels[i]);
    if (high[c] - low[c] > kBlankRange) return false;
  }
  return true;
}

}  // namespace

FileFacts facts_of(const DecodedFile& file) {
  const auto& image = file.image;
  const std::string_view bytes(reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size());
  return {image.height, image.width, file.digest, fnv1a(bytes), is_blank(image)};
}

std::vector<Copies> find_copies(const std::vector<FileFacts>& facts) {
  std::map<std::tuple<uint64_t, int, int>, std::vector<int>> same;
  for (size_t i = 0; i < facts.size(); ++i) {
    if (facts[i].width > 0) same[{facts[i].pixels, facts[i].height, facts[i].width}].push_back(int(i));
  }
  std::vector<Copies> copies;
  for (auto& [key, files] : same) {
    if (files.size() < 2) continue;
    const auto& digest = facts[size_t(files.front())].digest;
    const bool bytes = std::ranges::all_of(files, [&](int i) { return facts[size_t(i)].digest == digest; });
    copies.push_back({std::move(files), bytes});
  }
  std::ranges::sort(copies, {}, [](const Copies& c) { return c.files.front(); });
  return copies;
}

std::vector<std::string> odd_sizes(const std::vector<FileFacts>& facts) {
  constexpr int kFewestPixels = 32;
  constexpr double kArea = 4, kRatio = 1.5;
  std::vector<double> areas, ratios;
  for (const auto& file : facts) {
    if (file.width == 0) continue;
    areas.push_back(double(file.width) * file.height);
    ratios.push_back(double(file.width) / file.height);
  }
  std::vector<std::string> reasons(facts.size());
  if (areas.empty()) return reasons;
  const double area = median(areas), ratio = median(ratios);
  for (size_t i = 0; i < facts.size(); ++i) {
    const auto& file = facts[i];
    if (file.width == 0) continue;
    const double own_area = double(file.width) * file.height / area;
    const double own_ratio = double(file.width) / file.height / ratio;
    std::string reason;
    if (std::min(file.width, file.height) < kFewestPixels && area >= kFewestPixels * kFewestPixels) {
      reason = fmt::format("a side is below {} pixels", kFewestPixels);
    } else if (own_area > kArea || own_area < 1 / kArea) {
      reason = fmt::format("{:.2g} times the usual number of pixels", own_area);
    } else if (own_ratio > kRatio) {
      reason = fmt::format("{:.2g} times as wide for its height as usual", own_ratio);
    } else if (own_ratio < 1 / kRatio) {
      reason = fmt::format("{:.2g} times as high for its width as usual", 1 / own_ratio);
    }
    if (!reason.empty()) reasons[i] = fmt::format("{}x{} pixels: {}", file.width, file.height, reason);
  }
  return reasons;
}

}  // namespace signet::data
