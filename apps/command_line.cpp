#include "apps/command_line.h"

#include <fmt/ranges.h>

#include "apps/values.h"

namespace signet::apps {
namespace {

const CLI::App& innermost(const CLI::App& app) {
  const auto verbs = app.get_subcommands();
  return verbs.empty() ? app : innermost(*verbs.front());
}

/// "signet data signs": the command as far as it was understood.
std::string understood(const CLI::App& app) {
  const auto verbs = app.get_subcommands();
  return verbs.empty() ? app.get_name() : app.get_name() + " " + understood(*verbs.front());
}

std::vector<std::string> verbs_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(verb->get_name());
  return names;
}

std::string explain_unknown(const CLI::App& app, const std::string& unknown) {
  const bool flag = unknown.size() > 1 && unknown.starts_with("-");
  const std::string word = flag ? unknown.substr(0, unknown.find('=')) : unknown;
  const auto& verb = innermost(app);
  const auto meant = nearest(word, flag ? flags_of(verb) : verbs_of(verb));
  const std::string what = flag                     ? "unknown flag " + word
                           : verbs_of(verb).empty() ? "unexpected word '" + word + "'"
                                                    : "unknown verb '" + word + "'";
  return fmt::format("{}; {}{} --help lists what there is", what,
                     meant.empty() ? "" : fmt::format("did you mean {}? ", meant), understood(app));
}

bool remove_prefix(std::string& text, const std::string& prefix) {
  if (!text.starts_with(prefix)) return false;
  text.erase(0, prefix.size());
  return true;
}

std::string quoted(const std::string& word) {
  constexpr const char* kHarmless =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=./,:@%";
  if (!word.empty() && word.find_first_not_of(kHarmless) == word.npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace

std::vector<std::string> flags_of(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const auto* option : verb.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<CLI::App*> runnable_verbs(CLI::App& app) {
  std::vector<CLI::App*> found;
  for (auto* verb : app.get_subcommands([](CLI::App*) { return true; })) {
    if (verb->get_group().empty()) continue;
    const auto below = runnable_verbs(*verb);
    if (below.empty()) found.push_back(verb);
    found.insert(found.end(), below.begin(), below.end());
  }
  return found;
}

std::string words_of(const CLI::App& verb) {
  const CLI::App* parent = verb.get_parent();
  return parent == nullptr || parent->get_parent() == nullptr ? verb.get_name()
                                                              : words_of(*parent) + " " + verb.get_name();
}

std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const auto unknown = app.remaining(true);
  if (!unknown.empty()) return explain_unknown(app, unknown.front());
  const std::string kind = error.get_name();
  std::string text = error.what();
  if (kind == "RequiredError") {
    const auto verbs = verbs_of(innermost(app));
    if (text == "A subcommand is required") {
      return fmt::format("say what to do: {}; see {} --help", alternatives(verbs), understood(app));
    }
    const std::string needed = text.substr(0, text.find(' '));
    return fmt::format("{0} needs {1}; {0} --help has an example", understood(app), needed);
  }
  if (kind == "ArgumentMismatch") {
    const std::string flag = text.substr(0, text.find(':'));
    return flag + (text.ends_with("missing") ? " needs a value" : " is given twice; say it once");
  }
  if (kind == "ConversionError" && remove_prefix(text, "Could not convert: ")) {
    const size_t equals = text.find(" = ");
    if (equals != text.npos) {
      return fmt::format("{}: '{}' is no value for it; {} --help tells what is", text.substr(0, equals),
                         text.substr(equals + 3), understood(app));
    }
  }
  return text;
}

std::string resume_command(const std::vector<std::string>& words, const std::filesystem::path& folder) {
  std::vector<std::string> command;
  for (size_t i = 0; i < words.size(); ++i) {
    const auto& word = words[i];
    if (word == "--output" || word == "--name") {
      ++i;
    } else if (word != "--resume" && !word.starts_with("--output=") && !word.starts_with("--name=")) {
      command.push_back(quoted(word));
    }
  }
  return fmt::format("{} --output {} --resume", fmt::join(command, " "), quoted(folder.string()));
}

}  // namespace signet::apps
