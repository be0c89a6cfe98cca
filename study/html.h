#pragma once
// What the pages that a run folder holds have in common: one file each, which loads nothing and runs nothing
// but its own script.

#include <string>
#include <string_view>

namespace signet::study {

struct HtmlDocument {
  std::string title;
  std::string style, script;
  std::string
      body;  ///< markup between the skip link and the script; an element with id "main" is the content
};

/// The whole file. A content security policy allows the style sheet, pictures in data: addresses and the
/// script, which is named by its digest.
std::string html_page(const HtmlDocument& document);

/// "12.3%", or a dash for what was not measured.
std::string percent(double share);

/// A table in a frame that scrolls sideways and that the keyboard reaches too.
std::string framed(const std::string& name, const std::string& table);

}  // namespace signet::study
