#pragma once
// The images of a run that is over, opened again.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/store.h"
#include "study/records.h"

namespace signet::study {

struct RunImages {
  std::optional<data::ImageStore> store;  ///< none where the folder cannot be read
  std::string notice;  ///< why there is none, or that the images have changed since; "" if all is well
};

/// An option of args.json as text, "" where there is none.
std::string option_of(const Args& args, const std::string& name);

/// Opens the data set that a run's options name, or the folder `data` where it is now, keeping the given
/// forms.
RunImages open_run_images(const Args& args, const std::filesystem::path& data,
                          std::vector<data::ImageSpec> specs);

}  // namespace signet::study
