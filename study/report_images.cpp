#include "study/report_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "data/encode.h"
#include "data/leakage.h"
#include "kernels/parallel.h"
#include "study/svg_canvas.h"
#include "tensor/base64.h"
#include "tensor/error.h"

namespace signet::study {
namespace fs = std::filesystem;
namespace {

constexpr int kQuality = 72;

/// Pixels a side of so many pictures.
int side_for(size_t count) {
  if (count <= 700) return 96;
  return count <= 1500 ? 72 : 56;
}

/// An empty result stands for an image that can no longer be read.
std::string jpeg_of(const data::ImageStore& store, int64_t place, int side) {
  data::Image image{ReportImages::kSpec.size, ReportImages::kSpec.size, 3, {}};
  image.pixels.resize(size_t(ReportImages::kSpec.bytes()));
  try {
    store.read(place, ReportImages::kSpec, image.pixels);
  } catch (const Error&) {
    return {};
  }
  return data::encode_jpeg(side == image.width ? image : data::resize(image, side, side), kQuality);
}

int64_t squared_difference(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  int64_t sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const int difference = int(a[i]) - int(b[i]);
    sum += difference * difference;
  }
  return sum;
}

}  // namespace

std::string url_of(const fs::path& path) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
  std::string url;
  for (const char c : path.generic_string()) {
    if (kPlain.find(c) != kPlain.npos) {
      url += c;
    } else {
      url += fmt::format("%{:02X}", uint8_t(c));
    }
  }
  return url;
}

ReportImages::ReportImages(const data::ImageStore* store, const fs::path& folder) : store_(store) {
  if (store_ == nullptr) return;
  const auto& samples = store_->dataset().samples;
  for (size_t i = 0; i < samples.size(); ++i) places_.emplace(samples[i].path, int64_t(i));
  const fs::path root = fs::weakly_canonical(fs::absolute(store_->dataset().root));
  root_ = url_of(root.lexically_relative(fs::weakly_canonical(fs::absolute(folder)))) + "/";
}

int64_t ReportImages::place(const std::string& path) const {
  const auto found = places_.find(path);
  return found == places_.end() ? -1 : found->second;
}

void ReportImages::want(const std::string& path) {
  if (place(path) < 0 || !numbers_.emplace(path, -1).second) return;
  wanted_.push_back(path);
}

void ReportImages::draw() {
  if (missing()) return;
  // No picture is smaller than this; more than would fit in any case are not even read.
  constexpr size_t kSmallestBytes = 700;
  const size_t drawn = std::min(wanted_.size(), kMostBytes / kSmallestBytes);
  const int side = side_for(drawn);
  std::vector<std::string> files(drawn);
  parallel_for(int64_t(drawn),
               [&](int64_t i) { files[size_t(i)] = jpeg_of(*store_, place(wanted_[size_t(i)]), side); });
  size_t bytes = 0;
  left_out_ = int64_t(wanted_.size() - drawn);
  for (size_t i = 0; i < drawn; ++i) {
    const std::string text = base64(files[i]);
    if (files[i].empty() || bytes + text.size() > kMostBytes) {
      ++left_out_;
      continue;
    }
    bytes += text.size();
    numbers_[wanted_[i]] = int(jpegs_.size());
    jpegs_.push_back(text);
  }
}

int ReportImages::number(const std::string& path) const {
  const auto found = numbers_.find(path);
  return found == numbers_.end() ? -1 : found->second;
}

std::string ReportImages::thumbnail(const std::string& path, const std::string& description) const {
  const int own = number(path);
  if (own < 0) return "<span class=\"thumb none\">no picture</span>";
  return fmt::format(
      R"(<svg class="thumb" role="img" viewBox="0 0 96 96" aria-label="{}"><use href="#i{}"/></svg>)",
      escaped_for_xml(description), own);
}

std::string ReportImages::sprites() const {
  std::string text = "<svg class=\"sprites\" aria-hidden=\"true\" width=\"0\" height=\"0\"><defs>\n";
  for (size_t i = 0; i < jpegs_.size(); ++i) {
    text += fmt::format("<image id=\"i{}\" width=\"96\" height=\"96\" href=\"data:image/jpeg;base64,{}\"/>\n",
                        i, jpegs_[i]);
  }
  return text + "</defs></svg>\n";
}

std::string ReportImages::address(const std::string& path) const {
  return place(path) < 0 ? "" : root_ + url_of(path);
}

std::optional<NearestImage> ReportImages::nearest(const ReportSplit& split, const std::string& path,
                                                  int fold) const {
  if (missing() || place(path) < 0) return std::nullopt;
  try {
    std::vector<uint8_t> own(size_t(data::kNearTwinSpec.bytes()));
    store_->read(place(path), data::kNearTwinSpec, own);
    const SplitRow* best = nullptr;
    int64_t least = std::numeric_limits<int64_t>::max();
    for (const auto& row : split.rows) {
      const int64_t other = place(row.path);
      if (row.fold == fold || other < 0) continue;
      const auto kept = store_->kept(other, data::kNearTwinSpec);
      // Decoding the whole data set again for every picture would take hours.
      if (kept.empty()) return std::nullopt;
      const int64_t difference = squared_difference(own, kept);
      if (difference >= least) continue;
      least = difference;
      best = &row;
    }
    if (best == nullptr) return std::nullopt;
    const double mean_square = double(least) / double(own.size());
    return NearestImage{best->path, best->label, std::sqrt(mean_square) / 255};
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace signet::study
