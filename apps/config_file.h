#pragma once
// Options read from a file: `--config FILE`.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace signet::apps {

/// One line `key = value` of a configuration file.
struct ConfigEntry {
  std::string table;  ///< the [table] it stands below; "" before the first
  std::string key;
  std::vector<std::string> values;  ///< one, or those of an array
  int line = 0;                     ///< counted from 1
};

/// Reads the part of TOML (v1.0.0, toml.io) that can say options: comments, tables, bare and quoted keys, and
/// as values strings on one line, numbers, booleans, and arrays of these. Throws Error, beginning with
/// `source` and the line, for everything else and for a key given twice.
std::vector<ConfigEntry> parse_toml(std::string_view text, const std::string& source);

/// Adds --config to a verb, before its other flags. The file is TOML with the names of the verb's flags
/// (hyphens or underscores), those of a table that has the verb's name before those of none; or the args.json
/// of a run, which has the flags it was started with. What the command line says is left as it is. Throws
/// Error, with the file, the line and the key, for a key that is no flag (naming the nearest) and for a value
/// that the flag does not take.
void add_config_flag(CLI::App& verb);

/// The args.json that --config named, or "" where it named none.
std::filesystem::path replayed_run(const CLI::App& verb);

/// The flags of `verb` that were given, on the command line or by --config, as words like "--no-augment" and
/// "--models=mlp,cnn"; without those that say where to write and how far to go.
std::vector<std::string> given_flags(const CLI::App& verb);

}  // namespace signet::apps
