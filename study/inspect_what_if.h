#pragma once
// "What if …?": one decision of a study changed, a new head trained beside an unchanged one, and the two set
// side by side. Seconds to two minutes each, because the trunk stays frozen and its features are shared.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "study/inspect_networks.h"

namespace signet::study {

/// One of the questions.
struct WhatIfQuestion {
  std::string_view id;     ///< what --what-if takes
  std::string_view title;  ///< "Batchnorm: fixed statistics, or the batch's?"
  std::string_view text;   ///< sentences: what is changed, and what to look for
};

/// bn, normalisation, bgr, flip, split.
const std::vector<WhatIfQuestion>& what_if_questions();

/// One trained head and what it was measured on.
struct WhatIfRow {
  std::string question;  ///< its id
  std::string variant;
  int64_t images = 0;  ///< trained and validated on in all
  int epochs = 0;
  double train_accuracy = 0;  ///< in the last epoch, while the head changes
  double accuracy = 0;        ///< of the validation images
  double loss = 0;
};

/// Trains the heads of one question on at most `most` of the run's images, spread evenly, with the frozen
/// trunk that the run started from; the data's `split` is changed by "split" alone, the others use the run's
/// own fold. Throws Error for an unknown question, a run without pretrained trunk and, for "split", names
/// that do not tell signers.
std::vector<WhatIfRow> answer_what_if(const std::string& question, const Inspected& inspected,
                                      const data::ImageStore& store, int64_t most, Device device);

/// inspect/what-if.csv of a run folder; empty where it is missing.
std::vector<WhatIfRow> read_what_if(const std::filesystem::path& run);
/// Puts the rows of one question into that file, in the place of older ones.
void save_what_if(const std::filesystem::path& run, const std::vector<WhatIfRow>& rows);

/// All questions, with their answers or with the command that gives them.
std::string what_if_html(const std::filesystem::path& run, const std::vector<WhatIfRow>& rows);

}  // namespace signet::study
