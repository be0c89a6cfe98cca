#pragma once
// A strict check of XML, and counting in it.

#include <fmt/format.h>

#include <set>
#include <string>
#include <vector>

namespace signet::study {

/// Why a text is no well-formed XML element, or nothing: tags must nest, attributes be quoted, and & < only
/// appear as what they are.
inline std::string xml_fault(const std::string& text) {
  std::vector<std::string> open;
  size_t at = 0;
  bool had_root = false;
  while (at < text.size()) {
    if (text[at] == '&') {
      const std::string entity = text.substr(at, text.find(';', at) - at + 1);
      static const std::set<std::string> kKnown = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};
      if (!kKnown.contains(entity)) return fmt::format("entity {}", entity);
      at += entity.size();
      continue;
    }
    if (text[at] != '<') {
      if (open.empty() && text[at] != '\n') return "text outside the root";
      if (static_cast<unsigned char>(text[at]) < 0x20 && text[at] != '\n') return "control character";
      ++at;
      continue;
    }
    size_t end = at + 1;
    char quote = 0;
    while (end < text.size() && (quote != 0 || text[end] != '>')) {
      if (text[end] == '<') return "< inside a tag";
      if (quote == 0 && (text[end] == '"' || text[end] == '\''))
        quote = text[end];
      else if (text[end] == quote)
        quote = 0;
      ++end;
    }
    if (end == text.size()) return "unclosed tag";
    const std::string tag = text.substr(at + 1, end - at - 1);
    at = end + 1;
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (tag.front() == '/') {
      if (open.empty() || tag.substr(1) != open.back()) return fmt::format("closing {}", tag);
      open.pop_back();
      continue;
    }
    if (open.empty() && had_root) return "two roots";
    had_root = true;
    if (tag.back() != '/') open.push_back(name);
  }
  return open.empty() ? "" : fmt::format("unclosed {}", open.back());
}

/// How often a part occurs in a text.
inline size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace signet::study
