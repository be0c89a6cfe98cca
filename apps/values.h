#pragma once
// What the value of a flag may be. A check runs on the words of the command line, before anything else
// happens; its message names the flag, what is allowed and what was given.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace signet::apps {

/// A whole number of at least `low` and at most `high`.
CLI::Validator whole_number(uint64_t low, uint64_t high = std::numeric_limits<int32_t>::max());

/// A finite number above 0.
CLI::Validator above_zero();
/// A finite number of 0 or more.
CLI::Validator zero_or_more();
/// A number from 0 to `high`, or only below it.
CLI::Validator from_zero_to(double high);
CLI::Validator from_zero_to_below(double high);

/// One of the words; for anything else the nearest of them is named. The validator's name is the words, with
/// spaces between them: what a shell can complete.
CLI::Validator one_of(std::vector<std::string> words);

/// The word that is fewest changes of a letter away from `unknown` (Levenshtein 1966), or "" where all are
/// too far away to be meant.
std::string nearest(const std::string& unknown, const std::vector<std::string>& words);

/// "a, b or c".
std::string alternatives(const std::vector<std::string>& words);

}  // namespace signet::apps
