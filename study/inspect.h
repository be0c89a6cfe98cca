#pragma once
// inspect.html: how transfer learning worked in a run, made from its folder and its images. Like the report
// it is one file that loads nothing.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tensor/device.h"

namespace signet::study {

struct InspectOptions {
  std::filesystem::path data;        ///< where the images are now; "" for where args.json says
  std::string model;                 ///< "" for the last pretrained model of the run
  std::vector<std::string> images;   ///< to look at closely, by their paths in the data set; empty: six
  std::vector<std::string> what_if;  ///< questions to answer instead of writing the page
  int64_t most_images = 1500;        ///< whose features are computed
  int64_t most_what_if_images = 1000;
  Device device;
};

struct InspectOutcome {
  std::filesystem::path file;  ///< what was written
  std::string text;            ///< what is to be said about it: answers, notices
};

/// Writes inspect.html into a run's folder, or, with `what_if`, answers those questions and keeps the answers
/// there for the page. Throws Error for a folder that holds no run, for images that cannot be read and for
/// names that are not there.
InspectOutcome inspect_run(const std::filesystem::path& folder, const InspectOptions& options);

}  // namespace signet::study
