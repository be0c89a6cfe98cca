#include "study/html.h"

#include <fmt/format.h>

#include <cmath>

#include "study/svg_canvas.h"
#include "tensor/base64.h"
#include "tensor/sha256.h"

namespace signet::study {
namespace {

/// A script's digest as a content security policy names it.
std::string script_digest(std::string_view script) {
  const std::string hex = sha256_hex(script);
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) bytes += char(std::stoi(hex.substr(i, 2), nullptr, 16));
  return "sha256-" + base64(bytes);
}

}  // namespace

std::string html_page(const HtmlDocument& document) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src &apos;none&apos;; img-src data:; "
      "style-src &apos;unsafe-inline&apos;; script-src &apos;{}&apos;\"/>\n"
      "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n"
      "<a class=\"skip\" href=\"#main\">Skip to the content</a>\n{}"
      "<script>{}</script>\n</body>\n</html>\n",
      script_digest(document.script), escaped_for_xml(document.title), document.style, document.body,
      document.script);
}

std::string percent(double share) {
  return std::isfinite(share) ? fmt::format("{:.1f}%", 100 * share) : "–";
}

std::string framed(const std::string& name, const std::string& table) {
  return fmt::format("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n{}</div>\n",
                     escaped_for_xml(name), table);
}

}  // namespace signet::study
