#pragma once
// Answers as JSON, for `predict --format jsonl` and the server.

#include <optional>
#include <string>
#include <vector>

#include "study/inference.h"

namespace signet::study {

/// What is said of a picture beside its classes.
struct AnswerNotes {
  std::string gradcam;                                    ///< where its overlay is; "" for nowhere
  std::optional<std::vector<std::string>> warnings = {};  ///< none: it was not looked at
};

/// {"path": …, "gradcam": …, "warnings": […], "predictions": [{"class": …, "probability": …}, …]} on one
/// line, with the `top` most probable classes and without the notes that there are not. What is not UTF-8 in
/// a name is replaced.
std::string answer_json(const std::string& path, const Answer& answer,
                        const std::vector<std::string>& classes, int top, const AnswerNotes& notes);

/// {"path": …, "error": …} on one line.
std::string refusal_json(const std::string& path, const std::string& error);

/// A text in quotes.
std::string json_text(const std::string& text);

}  // namespace signet::study
