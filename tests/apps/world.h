#pragma once
// The small things that the program is tried on, made by the program itself.

#include <filesystem>
#include <string>
#include <vector>

#include "tests/apps/program.h"

namespace signet::test {

namespace fs = std::filesystem;

/// All 36 rendered signs by 3 people, 2 takes each (216 images of 32x32 pixels); made once.
const fs::path& signs();

/// Copies some classes of `signs()` to `folder`/data.
fs::path copy_classes(const Folder& folder, const std::vector<std::string>& classes);

/// A ResNet18 of width 8 for images of 32x32 pixels, as `signet train` wrote it after an epoch on classes a
/// and b; made once.
const fs::path& narrow_checkpoint();

/// Flags for a run of that ResNet18 that takes a moment.
Words narrow(Words words);

/// A safetensors file with all values of one tensor replaced by NaN.
std::string with_nan(const std::string& safetensors, const std::string& tensor);

/// All that a run left, without what tells when and how fast it ran (event files are all of that) and what it
/// kept for a resumption. The report names the run and its times, and else says what the files compared here
/// say.
std::map<std::string, std::string> bits(const Folder& folder, const std::string& run);

/// Checks that two runs left the same.
void check_same(const std::map<std::string, std::string>& a, const std::map<std::string, std::string>& b);

}  // namespace signet::test
