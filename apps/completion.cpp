// completion: scripts by which shells complete signet's command line, made from the description of the verbs
// that --help prints.

#include <fmt/ranges.h>

#include <algorithm>

#include "apps/command_line.h"
#include "apps/values.h"
#include "apps/verbs.h"

namespace signet::apps {
namespace {

/// What may follow a flag, or stand without one.
struct Value {
  bool taken = true;
  bool several = false;  ///< with commas between them
  bool file = false;     ///< free text, as a rule the name of a file
  std::string words;     ///< the only words there are, with spaces between them
};

Value value_of(CLI::Option& option) {
  Value value;
  value.taken = option.get_expected_min() > 0 || option.get_positional();
  value.several = option.get_delimiter() != '\0';
  try {
    value.words = option.get_validator(0)->get_name();
  } catch (const CLI::OptionNotFound&) {
    value.file = value.taken && option.get_type_name() == "TEXT";
  }
  return value;
}

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const auto& name : option.get_snames()) names.push_back("-" + name);
  for (const auto& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

/// The words after which one of `parents` verbs follows: "" and "data".
std::vector<CLI::App*> parents_of(CLI::App& app) {
  std::vector<CLI::App*> parents;
  if (!app.get_subcommands([](CLI::App*) { return true; }).empty()) parents.push_back(&app);
  for (auto* verb : app.get_subcommands([](CLI::App*) { return true; })) {
    const auto below = parents_of(*verb);
    parents.insert(parents.end(), below.begin(), below.end());
  }
  return parents;
}

std::vector<CLI::App*> visible_below(CLI::App& app) {
  return app.get_subcommands([](CLI::App* verb) { return !verb->get_group().empty(); });
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

/// The words before verbs: "signet" and "signet data", without the first.
std::string prefix_of(const CLI::App& app) {
  return app.get_parent() == nullptr ? "" : words_of(app);
}

void print_bash(CLI::App& app) {
  fmt::print(R"(# Completion of signet for bash, made by: signet completion bash
_signet() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} verb= words= flags= files=
  # --flag=value comes as three words.
  [ "$current" != = ] || current=
  [ "$previous" != = ] || previous=${{COMP_WORDS[COMP_CWORD-2]}}
  [ "${{COMP_WORDS[COMP_CWORD]}}" != = ] || previous=${{COMP_WORDS[COMP_CWORD-1]}}
  [ "$COMP_CWORD" -lt 2 ] || verb=${{COMP_WORDS[1]}}
  case $verb in
)");
  for (const auto* parent : parents_of(app)) {
    if (parent->get_parent() != nullptr) {
      fmt::print("    {}) [ \"$COMP_CWORD\" -lt 3 ] || verb+=\" ${{COMP_WORDS[2]}}\" ;;\n",
                 words_of(*parent));
    }
  }
  fmt::print("  esac\n  case $verb in\n");
  for (auto* parent : parents_of(app)) {
    std::vector<std::string> verbs;
    for (const auto* verb : visible_below(*parent)) verbs.push_back(verb->get_name());
    fmt::print("    '{}') words='{}' flags='{}' ;;\n", prefix_of(*parent), fmt::join(verbs, " "),
               fmt::join(flags_of(*parent), " "));
  }
  for (auto* verb : runnable_verbs(app)) {
    std::string words, files;
    for (auto* option : verb->get_options()) {
      if (!option->get_positional()) continue;
      const Value value = value_of(*option);
      words += value.words;
      if (value.file) files = " files=1";
    }
    fmt::print("    '{}') words='{}' flags='{}'{} ;;\n", words_of(*verb), words,
               fmt::join(flags_of(*verb), " "), files);
  }
  fmt::print("  esac\n  case \"$verb $previous\" in\n");
  for (auto* verb : runnable_verbs(app)) {
    for (auto* option : verb->get_options()) {
      const Value value = value_of(*option);
      std::vector<std::string> cases;
      for (const auto& name : names_of(*option))
        cases.push_back(fmt::format("'{} {}'", words_of(*verb), name));
      if (cases.empty() || !value.taken) continue;
      fmt::print("    {}) words='{}' flags= files={} ;;\n", fmt::join(cases, "|"), value.words,
                 value.file ? "1" : "");
    }
  }
  fmt::print(R"(  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
    return
  fi
  local before=${{current%"${{current##*,}}"}}
  COMPREPLY=($(compgen -P "$before" -W "$words" -- "${{current##*,}}"))
  [ -z "$files" ] || compopt -o default 2>/dev/null
}}
complete -F _signet signet
)");
}

/// Text between apostrophes in sh.
std::string apostrophes(const std::string& text) {
  return "'" + replaced(text, "'", "'\\''") + "'";
}

std::string zsh_text(std::string text) {
  for (const char* special : {"\\", "[", "]", ":"})
    text = replaced(text, special, std::string("\\") + special);
  return text;
}

std::string zsh_value(const Value& value) {
  if (!value.words.empty()) {
    return value.several ? ":value:_sequence compadd - " + value.words : ":value:(" + value.words + ")";
  }
  return value.file ? ":file:_files" : ":value:";
}

void print_zsh_verbs(CLI::App& parent, int place) {
  std::vector<std::string> verbs;
  for (const auto* verb : visible_below(parent)) {
    verbs.push_back(apostrophes(verb->get_name() + ":" + zsh_text(verb->get_description())));
  }
  fmt::print(
      "  if (( CURRENT == {} )){}; then\n    verbs=({})\n    _describe verb verbs\n    return\n  fi\n", place,
      parent.get_parent() == nullptr ? "" : fmt::format(" && [[ $words[2] == {} ]]", parent.get_name()),
      fmt::join(verbs, "\n           "));
}

void print_zsh(CLI::App& app) {
  fmt::print(
      "#compdef signet\n# Completion of signet for zsh, made by: signet completion zsh\n_signet() {{\n");
  fmt::print("  local -a verbs\n");
  for (auto* parent : parents_of(app)) print_zsh_verbs(*parent, parent->get_parent() == nullptr ? 2 : 3);
  fmt::print("  case \"$words[2] $words[3]\" in\n");
  for (auto* verb : runnable_verbs(app)) {
    const bool nested = words_of(*verb).find(' ') != std::string::npos;
    fmt::print("    {}{})\n      shift {} words; (( CURRENT -= {} ))\n      _arguments",
               apostrophes(words_of(*verb)), nested ? "" : "\\ *", nested ? 2 : 1, nested ? 2 : 1);
    for (auto* option : verb->get_options()) {
      const Value value = value_of(*option);
      const auto names = names_of(*option);
      const std::string about = fmt::format("[{}]", zsh_text(option->get_description()));
      for (const auto& name : names) {
        const std::string others = names.size() > 1 ? fmt::format("({})", fmt::join(names, " ")) : "";
        const char* with_value = !value.taken ? "" : name.starts_with("--") ? "=" : "+";
        const std::string taken = value.taken ? zsh_value(value) : "";
        fmt::print(" \\\n        {}",
                   apostrophes(fmt::format("{}{}{}{}{}", others, name, with_value, about, taken)));
      }
      if (names.empty()) fmt::print(" \\\n        {}", apostrophes("*" + zsh_value(value)));
    }
    fmt::print(" ;;\n");
  }
  fmt::print(
      "  esac\n}}\nif [[ $funcstack[1] == _signet ]]; then _signet \"$@\"; else compdef _signet signet; "
      "fi\n");
}

std::string fish_text(const std::string& text) {
  return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

void print_fish(CLI::App& app) {
  fmt::print(R"(# Completion of signet for fish, made by: signet completion fish
function __signet_after
  set -l words (commandline -opc)
  set -e words[1]
  test (count $words) -ge (count $argv); or return 1
  for i in (seq (count $argv))
    test $words[$i] = $argv[$i]; or return 1
  end
end
function __signet_only
  __signet_after $argv; and test (count (commandline -opc)) -eq (math 1 + (count $argv))
end
complete -c signet -f
)");
  for (auto* parent : parents_of(app)) {
    for (const auto* verb : visible_below(*parent)) {
      fmt::print("complete -c signet -n '__signet_only {}' -a {} -d {}\n", prefix_of(*parent),
                 verb->get_name(), fish_text(verb->get_description()));
    }
  }
  for (auto* verb : runnable_verbs(app)) {
    for (auto* option : verb->get_options()) {
      const Value value = value_of(*option);
      std::string line = fmt::format("complete -c signet -n '__signet_after {}'", words_of(*verb));
      for (const auto& name : option->get_snames()) line += " -s " + name;
      for (const auto& name : option->get_lnames()) line += " -l " + name;
      if (!option->get_positional()) line += " -d " + fish_text(option->get_description());
      if (value.file) line += option->get_positional() ? " -F" : " -rF";
      if (!value.file && value.taken && !option->get_positional()) line += " -x";
      if (!value.words.empty()) line += " -a " + fish_text(value.words);
      fmt::print("{}\n", line);
    }
  }
}

}  // namespace

void add_completion(CLI::App& app) {
  CLI::App* verb =
      app.add_subcommand("completion", "Print a script by which a shell completes this command line");
  verb->footer(
      "Example:\n  signet completion bash > ~/.local/share/bash-completion/completions/signet\n"
      "  signet completion fish > ~/.config/fish/completions/signet.fish");
  auto shell = std::make_shared<std::string>();
  verb->add_option("shell", *shell, "bash, zsh or fish")->check(one_of({"bash", "zsh", "fish"}))->required();
  verb->callback([&app, shell] {
    if (*shell == "bash") print_bash(app);
    if (*shell == "zsh") print_zsh(app);
    if (*shell == "fish") print_fish(app);
  });
}

}  // namespace signet::apps
