#pragma once
// The pictures of a report: each is in the page once, small, and shown from there wherever it is needed.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/store.h"
#include "study/report_run.h"

namespace signet::study {

/// The training image that looks most like a validation image.
struct NearestImage {
  std::string path;
  std::string label;
  double distance = 0;  ///< root mean square difference of 32x32 RGB pixels, 0..1
};

class ReportImages {
 public:
  /// The form in which pictures are taken from the store; smaller ones are made of it.
  static constexpr data::ImageSpec kSpec{96, 3};
  /// All pictures together fill at most this much of the page, as Base64.
  static constexpr size_t kMostBytes = 3'000'000;

  /// `store` holds the images of the run's data set; null where they are missing. `folder` is where the page
  /// will lie.
  ReportImages(const data::ImageStore* store, const std::filesystem::path& folder);

  bool missing() const { return store_ == nullptr; }

  /// Asks for a picture. What is asked for first gets in first.
  void want(const std::string& path);
  /// Draws the pictures asked for, the smaller the more there are. How many did not fit is in `left_out`.
  void draw();
  int64_t left_out() const { return left_out_; }

  /// A picture as SVG that shows what is drawn in `sprites`, or a box that says why there is none.
  /// `description` is what screen readers say.
  std::string thumbnail(const std::string& path, const std::string& description) const;
  /// The picture's number in the page; -1 where it has none.
  int number(const std::string& path) const;
  /// The definitions that thumbnails refer to; once in the page.
  std::string sprites() const;
  /// The image file's address seen from the page, escaped for an attribute; "" where images are missing.
  std::string address(const std::string& path) const;

  /// The image of the fold's training part that is nearest to `path`; none where images are missing or
  /// too many to be kept in memory.
  std::optional<NearestImage> nearest(const ReportSplit& split, const std::string& path, int fold) const;

 private:
  /// The image's place in the store; -1 where it is not there.
  int64_t place(const std::string& path) const;

  const data::ImageStore* store_;
  std::string root_;  ///< address of the data set's folder seen from the page, ending in /
  std::map<std::string, int64_t> places_;
  std::vector<std::string> wanted_;  ///< in order
  std::map<std::string, int> numbers_;
  std::vector<std::string> jpegs_;
  int64_t left_out_ = 0;
};

/// A relative path as a link's address: separators kept, everything unusual percent-encoded (RFC 3986).
std::string url_of(const std::filesystem::path& path);

}  // namespace signet::study
