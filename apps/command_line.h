#pragma once
// The command line as words: what is wrong with it, and the one with which a stopped run goes on.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace signet::apps {

/// The long names of a verb's flags, with their hyphens.
std::vector<std::string> flags_of(const CLI::App& verb);

/// The verbs and verbs of verbs that can be run, without hidden ones, in the order of --help.
std::vector<CLI::App*> runnable_verbs(CLI::App& app);

/// "data signs": the words that name such a verb.
std::string words_of(const CLI::App& verb);

/// One sentence for a command line that could not be read: what is unknown and the nearest match, what is
/// missing, or what is wrong with a value.
std::string explain(const CLI::App& app, const CLI::ParseError& error);

/// The command, to be pasted into a shell, that goes on with the run in `folder` which `words` (argv)
/// started.
std::string resume_command(const std::vector<std::string>& words, const std::filesystem::path& folder);

}  // namespace signet::apps
