#pragma once
// What inspect.html carries with it beside the report's style sheet and script.

#include <string>

namespace signet::study {

/// The report's style sheet and what this page adds.
std::string inspect_style();

/// The report's script, which chooses images here as it chooses models there, and the drawing of features.
std::string inspect_script();

}  // namespace signet::study
