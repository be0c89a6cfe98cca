#pragma once
// report.html: a run on one page that needs nothing but itself.

#include <filesystem>
#include <string>

#include "data/store.h"

namespace signet::study {

struct ReportOptions {
  /// Sets the original study's figures beside the random split's. They are there in any case where the data
  /// has its 36 classes and 2515 images.
  bool original = false;
  std::string notice = {};  ///< what the page says of its images, e.g. why they are missing
};

/// Writes `folder`/report.html from the files of the run in `folder`, with pictures from `images` (null: the
/// page goes without). Atomic. Returns the page's path. Throws Error for a folder that holds no run and for
/// damaged files.
std::filesystem::path write_report(const std::filesystem::path& folder, const data::ImageStore* images,
                                   const ReportOptions& options = {});

/// The same for a run of which nothing is in memory: its images are read from `data`, or if that is empty
/// from where args.json says. Images that are missing, unreadable or others than those of the run are no
/// error: the page says so, and so does ReportOutcome::notice.
struct ReportOutcome {
  std::filesystem::path page;
  std::string notice;
};
ReportOutcome rebuild_report(const std::filesystem::path& folder, const std::filesystem::path& data,
                             bool original);

}  // namespace signet::study
