// What shells complete, and the manual page: made from the same description as --help.

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <regex>

#include "tests/apps/world.h"

namespace signet::test {
namespace {

bool is_installed(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0;
}

/// What `command` prints in the folder, which must succeed.
std::string output_of(const Folder& folder, const std::string& command) {
  CAPTURE(command);
  CHECK(std::system(fmt::format("cd '{}' && {} >out 2>err", folder.path().string(), command).c_str()) == 0);
  CHECK(folder.read("err").empty());
  return folder.read("out");
}

TEST_CASE("bash completes verbs, flags and the words that a flag takes") {
  const Folder folder;
  folder.write("signet.bash", check_succeeds(folder, {"completion", "bash"}).out);
  const auto completes = [&](const std::string& line, const std::string& expected) {
    folder.write("ask.bash",
                 "source ./signet.bash\nCOMP_WORDS=(" + line +
                     ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_signet\necho \"${COMPREPLY[*]}\"\n");
    CHECK_MESSAGE(output_of(folder, "bash ask.bash") == expected + "\n", line);
  };
  completes("signet st", "study");
  completes("signet data ''", "check signs handshapes");
  completes("signet data signs --li", "--lights");
  completes("signet study --opt ad", "adam adamw");
  completes("signet study --opt = s", "sgd");
  completes("signet study --opt =", "adam adamw sgd");
  completes("signet study --models mlp,l", "mlp,layer4 mlp,layer3");
  completes("signet train --model cn", "cnn");
  completes("signet study --epochs ''", "");
  completes("signet bench fc", "fconly");
}

TEST_CASE("scripts for zsh and fish are read by them") {
  const Folder folder;
  folder.write("_signet", check_succeeds(folder, {"completion", "zsh"}).out);
  CHECK(folder.read("_signet").find("--models=[") != std::string::npos);
  if (is_installed("zsh")) CHECK(output_of(folder, "zsh -n _signet").empty());
  folder.write("signet.fish", check_succeeds(folder, {"completion", "fish"}).out);
  CHECK(folder.read("signet.fish").find(" -l models ") != std::string::npos);
  if (is_installed("fish")) {
    CHECK(output_of(folder, "fish -c 'source signet.fish; complete -C \"signet study --interp\"'")
              .starts_with("--interpolation"));
    CHECK(output_of(folder, "fish -c 'source signet.fish; complete -C \"signet data s\"'")
              .starts_with("signs"));
  }
  check_refused(folder, {"completion", "tcsh"}, {"'tcsh' is unknown", "bash, zsh or fish"});
}

TEST_CASE("the manual page has every flag that --help has") {
  const Folder folder;
  std::string page = check_succeeds(folder, {"man"}).out;
  folder.write("signet.1", page);
  if (is_installed("mandoc"))
    CHECK(output_of(folder, "mandoc -Werror -Tascii signet.1").find("Stopped by Ctrl-C") !=
          std::string::npos);
  std::erase(page, '\\');
  const std::regex flag("\n  (?:-.,)?(--[a-z-]+)");
  for (const Words& verb :
       {Words{"study"}, Words{"finetune"}, Words{"serve"}, Words{"data", "signs"}, Words{"man"}}) {
    Words words = verb;
    words.emplace_back("--help");
    const std::string help = check_succeeds(folder, words).out;
    std::string heading = ".SS signet";
    for (const auto& word : verb) heading += " " + word;
    const size_t start = page.find(heading + "\n");
    REQUIRE_MESSAGE(start != page.npos, heading);
    const std::string section = page.substr(start, page.find(".SS", start + 1) - start);
    for (std::sregex_iterator found(help.begin(), help.end(), flag), end; found != end; ++found) {
      const std::string name = found->str(1);
      if (name == "--help") continue;
      CHECK_MESSAGE(section.find("fB" + name + "fR") != section.npos, heading, " lacks ", name);
    }
  }
}

}  // namespace
}  // namespace signet::test
