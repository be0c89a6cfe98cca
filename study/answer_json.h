#pragma once
// Answers as JSON, for `predict --format jsonl` and the server.

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "study/inference.h"

namespace signet::study {

/// {"path": …, "predictions": [{"class": …, "probability": …}, … the `top` most probable]} on one line, with
/// `more` (keys and texts) between the two. What is not UTF-8 in a name is replaced.
std::string answer_json(const std::string& path, const Answer& answer,
                        const std::vector<std::string>& classes, int top,
                        const std::vector<std::pair<std::string, std::string>>& more = {});

/// {"path": …, "error": …} on one line.
std::string refusal_json(const std::string& path, const std::string& error);

}  // namespace signet::study
