#pragma once
// What every report carries with it: its style sheet and its script.

#include <string_view>

namespace signet::study {

/// For phones, wide screens, dark mode and paper.
std::string_view report_style();

/// Plain JavaScript: chooses models, opens the images of a cell, shows values under the curves. The page can
/// be read without it.
std::string_view report_script();

}  // namespace signet::study
