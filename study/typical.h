#pragma once
// What the pictures that a network was trained on have in common, so that it can say of a new one that it is
// unlike them. A classifier names a class for anything; these few numbers are a rough guard, not a proof.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/image.h"
#include "data/store.h"
#include "study/inference.h"

namespace signet::study {

/// Two numbers of one prepared picture, both from 0 to 1.
struct PictureNumbers {
  double border = 0;  ///< mean brightness of the outermost twentieth on each side: the background
  double filled = 0;  ///< share of pixels that are brighter or darker than the border by more than 0.1
};
PictureNumbers measure(const data::Image& prepared);

/// The first and the last hundredth of a number over the training pictures.
struct Range {
  double low = 0, high = 0;
};

struct Typical {
  int64_t pictures = 0;  ///< how many were looked at
  Range border, filled;
  /// Mean and standard deviation of each feature, and the distance from the mean (root mean square of
  /// features in deviations) that 99% of the pictures keep; empty where no features were looked at.
  std::vector<float> feature_mean, feature_deviation;
  double feature_distance = 0;
};

/// Of one row of numbers a picture, and of as many rows of features or none. Throws std::invalid_argument for
/// no picture.
Typical typical_of(std::span<const PictureNumbers> numbers, std::span<const std::vector<float>> features);

/// Of the pictures of a data set, or of 500 spread evenly over it; with `inference`, their features too.
Typical typical_of(const data::ImageStore& store, const data::ImageSpec& spec,
                   const Inference* inference = nullptr);

/// Distance of features as Typical::feature_distance counts it; 0 where there is nothing to compare with.
double feature_distance(const Typical& typical, std::span<const float> features);

/// Sentences on how a picture differs from the training pictures, and on an answer below 50%; `typical` may
/// be none, and then only the answer is looked at.
std::vector<std::string> warnings_for(const Answer& answer, const data::Image& prepared,
                                      const std::optional<Typical>& typical);

/// The metadata key under which a checkpoint keeps its Typical, as JSON.
inline constexpr const char* kTypicalKey = "typical";

/// JSON text and back; Error naming `source` for text that is not such a record.
std::string to_json(const Typical& typical);
Typical typical_from_json(std::string_view text, const std::string& source);

}  // namespace signet::study
