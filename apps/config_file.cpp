#include "apps/config_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "apps/command_line.h"
#include "apps/values.h"
#include "study/records.h"
#include "tensor/error.h"
#include "tensor/files.h"

namespace signet::apps {
namespace {

constexpr std::string_view kSpace = " \t\r";
constexpr std::string_view kBareKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

class TomlReader {
 public:
  TomlReader(std::string_view text, const std::string& source) : rest_(text), source_(source) {}

  std::vector<ConfigEntry> read() {
    std::string table;
    for (skip_lines(); !rest_.empty(); skip_lines()) {
      if (take('[')) {
        table = key();
        expect(']', "after the name of a table");
      } else {
        add({table, key(), {}, line_});
        expect('=', "between a key and its value");
        entries_.back().values = value();
      }
      end_line();
    }
    return std::move(entries_);
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(fmt::format_string<Parts...> form, Parts&&... parts) const {
    fail("{}:{}: {}", source_, line_, fmt::format(form, std::forward<Parts>(parts)...));
  }

  void add(ConfigEntry entry) {
    for (const auto& former : entries_) {
      if (former.table == entry.table && former.key == entry.key) {
        refuse("{} is given twice (first in line {}); say it once", entry.key, former.line);
      }
    }
    entries_.push_back(std::move(entry));
  }

  void skip_space() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(kSpace), rest_.size()));
    if (rest_.starts_with('#')) rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
  }

  void skip_lines() {
    for (skip_space(); take('\n'); skip_space()) ++line_;
  }

  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view rest_of_line() const { return rest_.substr(0, rest_.find_first_of("\r\n")); }

  void expect(char c, const char* where) {
    skip_space();
    if (!take(c)) refuse("'{}' is missing {}, before '{}'", c, where, rest_of_line());
    skip_space();
  }

  void end_line() {
    skip_space();
    if (!rest_.empty() && !rest_.starts_with('\n')) refuse("what does '{}' stand here for?", rest_of_line());
  }

  std::string word() {
    const size_t end = std::min(rest_.find_first_of(" \t\r\n#,]"), rest_.size());
    std::string found(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return found;
  }

  std::string key() {
    skip_space();
    if (rest_.starts_with('"') || rest_.starts_with('\'')) return text();
    const size_t end = std::min(rest_.find_first_not_of(kBareKey), rest_.size());
    if (end == 0) refuse("'{}' does not begin with a key: write key = value", rest_of_line());
    std::string found(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return found;
  }

  /// A string: literal between apostrophes, with escapes between quotation marks.
  std::string text() {
    const char quote = rest_.front();
    rest_.remove_prefix(1);
    std::string found;
    while (!take(quote)) {
      if (rest_.empty() || rest_.starts_with('\n')) refuse("a string has no end; close it with {}", quote);
      const char c = rest_.front();
      rest_.remove_prefix(1);
      found += c == '\\' && quote == '"' ? escaped() : c;
    }
    return found;
  }

  char escaped() {
    constexpr std::string_view kLetters = "\"\\bfnrt", kMeanings = "\"\\\b\f\n\r\t";
    const size_t which = rest_.empty() ? rest_.npos : kLetters.find(rest_.front());
    if (which == rest_.npos) {
      refuse("a backslash is followed by none of {}; 'a string between apostrophes' knows no escapes",
             kLetters);
    }
    rest_.remove_prefix(1);
    return kMeanings[which];
  }

  /// A string, a number or a boolean. Underscores between digits are for the reader only.
  std::string scalar() {
    if (rest_.starts_with('"') || rest_.starts_with('\'')) return text();
    std::string found = word();
    if (found == "true" || found == "false" || found == "inf" || found == "nan") return found;
    if (found.empty() || found.find_first_not_of("+-.0123456789_eE") != found.npos) {
      refuse("'{}' is no value; strings stand between quotation marks",
             found.empty() ? rest_of_line() : found);
    }
    std::erase(found, '_');
    if (found.starts_with('+')) found.erase(0, 1);
    return found;
  }

  std::vector<std::string> value() {
    if (!take('[')) return {scalar()};
    std::vector<std::string> values;
    for (skip_lines(); !take(']'); skip_lines()) {
      if (rest_.empty()) refuse("an array has no end; close it with ]");
      values.push_back(scalar());
      skip_lines();
      if (rest_.empty()) continue;
      if (!take(',') && !rest_.starts_with(']'))
        refuse("a comma is missing in an array, before '{}'", rest_of_line());
    }
    return values;
  }

  std::string_view rest_;
  const std::string& source_;
  int line_ = 1;
  std::vector<ConfigEntry> entries_;
};

/// The name by which a file and given_flags call an option: without hyphens in front.
std::string name_of(const CLI::Option& option) {
  return option.get_lnames().empty() ? option.get_single_name() : option.get_lnames().front();
}

bool is_flag(const CLI::Option& option) {
  return option.get_expected_min() == 0;
}

CLI::Option* find_option(const CLI::App& verb, std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  for (const auto* option : verb.get_options()) {
    const auto& names = option->get_lnames();
    const bool called = std::find(names.begin(), names.end(), key) != names.end();
    if (key != "help" && key != "config" && (called || option->get_single_name() == key)) {
      return const_cast<CLI::Option*>(option);  // the verb's own callback may change its options
    }
  }
  return nullptr;
}

/// No TOML begins with a brace.
bool is_json_object(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != text.npos && text[first] == '{';
}

void collect_verbs(const CLI::App& app, std::vector<std::string>& names) {
  for (const auto* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(verb->get_name());
    collect_verbs(*verb, names);
  }
}

std::vector<std::string> all_verbs(const CLI::App& verb) {
  const CLI::App* root = &verb;
  while (root->get_parent() != nullptr) root = root->get_parent();
  std::vector<std::string> names;
  collect_verbs(*root, names);
  return names;
}

class ConfigFile {
 public:
  ConfigFile(CLI::App& verb, const std::string& path) : verb_(verb), path_(path) {
    for (const auto* option : verb.get_options()) {
      if (!option->empty()) on_command_line_.insert(option);
    }
  }

  void apply() {
    const std::string text = read_file(path_);
    if (is_json_object(text)) return replay(text);
    const auto entries = parse_toml(text, path_);
    const auto verbs = all_verbs(verb_);
    for (const auto& entry : entries) {
      if (entry.table.empty() || std::find(verbs.begin(), verbs.end(), entry.table) != verbs.end()) continue;
      const auto meant = nearest(entry.table, verbs);
      fail("{}:{}: [{}] is no verb of signet{}", path_, entry.line, entry.table,
           meant.empty() ? "" : fmt::format("; did you mean [{}]?", meant));
    }
    for (const bool own : {true, false}) {
      for (const auto& entry : entries) {
        if (entry.table == (own ? verb_.get_name() : "")) set(entry, fmt::format("{}:{}", path_, entry.line));
      }
    }
  }

 private:
  void replay(const std::string& text) {
    std::vector<std::string> flags;
    std::string verb;
    for (const auto& [name, value] : study::args_from_json(text, path_)) {
      if (const auto* words = std::get_if<std::vector<std::string>>(&value); name == "flags" && words)
        flags = *words;
      if (const auto* word = std::get_if<std::string>(&value); name == "verb" && word) verb = *word;
    }
    if (flags.empty()) {
      fail(
          "{}: does not say with which flags its run was started; --config takes the args.json of a run, or "
          "TOML",
          path_);
    }
    if (verb != verb_.get_name()) {
      fail("{}: is of a run of signet {}, not of {}; replay it with signet {} --config {}", path_, verb,
           verb_.get_name(), verb, path_);
    }
    for (const auto& flag : flags) {
      const size_t name = std::min(flag.find_first_not_of('-'), flag.size()), equals = flag.find('=');
      const bool has_value = equals != flag.npos;
      set({"",
           flag.substr(name, has_value ? equals - name : flag.npos),
           {has_value ? flag.substr(equals + 1) : "true"},
           0},
          path_);
    }
  }

  void set(const ConfigEntry& entry, const std::string& where) {
    CLI::Option* option = find_option(verb_, entry.key);
    if (option == nullptr) refuse_unknown(entry, where);
    if (on_command_line_.contains(option)) return;
    if (const auto former = from_file_.find(option); former != from_file_.end()) {
      if (former->second != entry.table) return;
      fail("{}: {} says again what another name of it has said; say it once", where, entry.key);
    }
    from_file_[option] = entry.table;
    if (is_flag(*option)) {
      if (entry.values != std::vector<std::string>{"true"} &&
          entry.values != std::vector<std::string>{"false"}) {
        fail("{}: {} is true or false, not {}", where, entry.key, fmt::join(entry.values, ", "));
      }
      if (entry.values.front() == "false") return;
    }
    if (entry.values.empty()) fail("{}: {} has no value; leave the line out", where, entry.key);
    try {
      option->add_result(entry.values);
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      const std::string text = error.what(), kind = error.get_name();
      if (kind == "ArgumentMismatch") fail("{}: {} takes one value, not several", where, entry.key);
      if (kind != "ValidationError")
        fail("{}: {}: '{}' is no value for it", where, entry.key, entry.values.front());
      fail("{}: {}{}", where, entry.key, text.substr(std::min(text.find(": "), text.size())));
    }
  }

  [[noreturn]] void refuse_unknown(const ConfigEntry& entry, const std::string& where) const {
    const auto meant = nearest("--" + entry.key, flags_of(verb_));
    fail("{}: {}: signet {} has no such flag{}{}", where, entry.key, verb_.get_name(),
         meant.empty() ? "" : fmt::format("; did you mean {}?", meant),
         entry.table.empty() ? " (what is for one verb only stands below a line with its name, like [study])"
                             : "");
  }

  CLI::App& verb_;
  std::string path_;
  std::set<const CLI::Option*> on_command_line_;
  std::map<const CLI::Option*, std::string> from_file_;  ///< and the table that set it
};

}  // namespace

std::vector<ConfigEntry> parse_toml(std::string_view text, const std::string& source) {
  return TomlReader(text, source).read();
}

void add_config_flag(CLI::App& verb) {
  // CLI11 takes the options in the order they were added; so this one can fill in those after it.
  verb.add_option_function<std::string>(
      "--config", [&verb](const std::string& path) { ConfigFile(verb, path).apply(); },
      "Take flags that are not given here from this file: TOML with the names of the flags, or the args.json "
      "of a "
      "run, which replays it");
}

std::filesystem::path replayed_run(const CLI::App& verb) {
  if (verb.count("--config") == 0) return {};
  const auto& path = verb.get_option("--config")->results().front();
  return is_json_object(read_file(path)) ? path : "";
}

std::vector<std::string> given_flags(const CLI::App& verb) {
  static const std::set<std::string> about_this_run{"help", "config", "output", "name", "resume", "dry-run"};
  std::vector<std::string> words;
  for (const auto* option : verb.get_options()) {
    const std::string name = name_of(*option);
    if (option->empty() || about_this_run.contains(name)) continue;
    if (!is_flag(*option)) {
      words.push_back(fmt::format("--{}={}", name, fmt::join(option->results(), ",")));
    } else if (option->results() != std::vector<std::string>{"false"}) {
      words.push_back("--" + name);
    }
  }
  return words;
}

}  // namespace signet::apps
