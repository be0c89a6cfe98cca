#include "data/name_pattern.h"

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 with sanitizers takes a move inside <regex> for a read of unset memory.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <algorithm>
#include <regex>
#include <string_view>
#include <vector>

#include "tensor/error.h"

namespace signet::data {
namespace {

constexpr const char* kHowTo =
    R"(write a regular expression with groups such as hand(?<signer>\d+)_.*_(?<light>[a-z]+)_seg_(?<take>\d+))";

/// A pattern with its group names taken out, which std::regex does not know, and the name of each group.
struct Plain {
  std::string pattern;
  std::vector<std::string> groups;
};

Plain take_names_out(const std::string& text) {
  Plain plain;
  bool in_brackets = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    plain.pattern += c;
    if (c == '\\' && at + 1 < text.size()) {
      plain.pattern += text[++at];
    } else if (in_brackets) {
      in_brackets = c != ']';
    } else if (c == '[') {
      in_brackets = true;
    } else if (c == '(') {
      const std::string_view rest = std::string_view(text).substr(at + 1);
      const size_t opening = rest.starts_with("?P<") ? 3 : rest.starts_with("?<") ? 2 : 0;
      const size_t closing = rest.find('>');
      if (opening == 0 && rest.starts_with("?")) continue;  // (?: (?= (?! capture nothing
      if (opening > 0 && closing == rest.npos) fail("--name-pattern: '{}' lacks a '>'; {}", text, kHowTo);
      plain.groups.emplace_back(opening > 0 ? rest.substr(opening, closing - opening) : "");
      if (opening > 0) at += 1 + closing;
    }
  }
  return plain;
}

}  // namespace

struct NamePattern::Compiled {
  std::regex regex;
};

NamePattern::NamePattern(const std::string& pattern) : text_(pattern) {
  const Plain plain = take_names_out(pattern);
  try {
    compiled_ = std::make_shared<Compiled>(
        Compiled{std::regex(plain.pattern, std::regex::ECMAScript | std::regex::optimize)});
  } catch (const std::regex_error& error) {
    fail("--name-pattern: '{}' is not a regular expression ({}); {}", pattern, error.what(), kHowTo);
  }
  if (plain.groups.empty()) fail("--name-pattern: '{}' has no group; {}", pattern, kHowTo);
  int* const fields[] = {&signer_, &light_, &take_};
  const std::string_view names[] = {"signer", "light", "take"};
  const bool named =
      std::any_of(plain.groups.begin(), plain.groups.end(), [](auto& g) { return !g.empty(); });
  for (size_t g = 0; g < plain.groups.size(); ++g) {
    const auto& group = plain.groups[g];
    if (named && group.empty()) continue;
    const size_t field = named ? size_t(std::find(names, names + 3, group) - names) : g;
    if (field < 3) {
      *fields[field] = int(g) + 1;
    } else if (named) {
      fail("--name-pattern: the group '{}' is not one of signer, light and take; {}", group, kHowTo);
    }
  }
}

NameFields NamePattern::read(const std::string& file_name) const {
  std::smatch match;
  try {
    if (!std::regex_search(file_name, match, compiled_->regex)) return {};
  } catch (const std::regex_error& error) {
    fail("--name-pattern: '{}' cannot be matched with '{}' ({}); write a simpler one", text_, file_name,
         error.what());
  }
  const auto field = [&](int group) { return group > 0 ? match[size_t(group)].str() : std::string(); };
  return {field(signer_), field(light_), field(take_)};
}

}  // namespace signet::data
