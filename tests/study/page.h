#pragma once
// Taking a page apart.

#include <doctest/doctest.h>

// With AddressSanitizer g++ 12 sees uninitialised members in the library's automaton that are not.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <regex>
#pragma GCC diagnostic pop
#include <string>
#include <vector>

namespace signet::study {

/// All that a pattern's first group matches.
inline std::vector<std::string> matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), expression), end; at != end; ++at) {
    found.push_back((*at)[1]);
  }
  return found;
}

/// The text from one mark to the next other one; fails where a mark is missing.
inline std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const size_t first = text.find(from);
  REQUIRE(first != text.npos);
  const size_t last = text.find(to, first + from.size());
  REQUIRE(last != text.npos);
  return text.substr(first + from.size(), last - first - from.size());
}

/// The page without what is no markup: doctype, style sheet and script.
inline std::string markup(std::string page) {
  REQUIRE(page.starts_with("<!DOCTYPE html>\n"));
  page.erase(0, page.find('\n') + 1);
  for (const std::string name : {"style", "script"}) {
    const size_t first = page.find("<" + name + ">") + name.size() + 2;
    page.erase(first, page.find("</" + name + ">") - first);
  }
  return page;
}

}  // namespace signet::study
