// man: the manual page, made from the description of the verbs that --help prints.

#include <fmt/ranges.h>

#include "apps/command_line.h"
#include "apps/verbs.h"

namespace signet::apps {
namespace {

/// Text for roff (groff_man(7)): backslashes and hyphens escaped, and no line that begins like a request.
std::string roff(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    const bool begins_line = escaped.empty() || escaped.back() == '\n';
    if (begins_line && (c == '.' || c == '\'')) escaped += "\\&";
    escaped += c == '\\' ? std::string("\\e") : c == '-' ? std::string("\\-") : std::string(1, c);
  }
  return escaped;
}

void print_option(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const auto& name : option.get_snames()) names.push_back("\\fB" + roff("-" + name) + "\\fR");
  for (const auto& name : option.get_lnames()) names.push_back("\\fB" + roff("--" + name) + "\\fR");
  const bool takes_value = option.get_expected_min() > 0 && !names.empty();
  if (names.empty()) names.push_back("\\fI" + roff(option.get_single_name()) + "\\fR");
  fmt::print(".TP\n{}{}\n{}", fmt::join(names, ", "), takes_value ? " \\fIvalue\\fR" : "",
             roff(option.get_description()));
  if (!option.get_default_str().empty()) fmt::print(" (by default {})", roff(option.get_default_str()));
  if (option.get_required()) fmt::print(" (required)");
  fmt::print("\n");
}

void print_example(const std::string& footer) {
  const std::string kHead = "Example:\n";
  const std::string text = footer.starts_with(kHead) ? footer.substr(kHead.size()) : footer;
  fmt::print(".PP\n.nf\n{}\n.fi\n", roff(text));
}

void print_verb(CLI::App& verb) {
  fmt::print(".SS signet {}\n{}.\n", roff(words_of(verb)), roff(verb.get_description()));
  for (const auto& group : verb.get_groups()) {
    const auto options = verb.get_options([&](const CLI::Option* option) {
      return option->get_group() == group && option->get_single_name() != "help";
    });
    for (const auto* option : options) print_option(*option);
  }
  print_example(verb.get_footer());
}

void print_page(CLI::App& app) {
  fmt::print(".TH SIGNET 1 \"\" \"signet {}\" \"User Commands\"\n", SIGNET_VERSION);
  fmt::print(".SH NAME\nsignet \\- {}\n", roff(app.get_description()));
  fmt::print(".SH SYNOPSIS\n\\fBsignet\\fR \\fIverb\\fR [\\fIflags\\fR]\n.SH DESCRIPTION\n");
  fmt::print(
      "Signet trains image classifiers on a folder that holds one folder of images a class, and shows what\n"
      "transfer learning is worth. Each verb has a \\fB\\-\\-help\\fR of its own.\n.SH VERBS\n");
  for (auto* verb : runnable_verbs(app)) print_verb(*verb);
  fmt::print(
      ".SH FILES\n.TP\n\\fIruns/verb/nameN/\\fR\nWhat a run leaves: its table, curves, predictions and "
      "weights, and\n"
      "\\fIargs.json\\fR, with which \\fB\\-\\-config\\fR replays it.\n"
      ".SH EXIT STATUS\n.TP\n0\nDone.\n.TP\n1\nThe program itself is wrong.\n.TP\n2\nA mistake in the "
      "command line or in"
      " the files that it names; one sentence says which.\n.TP\n130\nStopped by Ctrl\\-C.\n");
}

}  // namespace

void add_man(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("man", "Print the manual page");
  verb->footer("Example:\n  signet man | man -l -");
  verb->callback([&app] { print_page(app); });
}

}  // namespace signet::apps
