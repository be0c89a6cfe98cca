#include "study/svg_canvas.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "study/text.h"

namespace signet::study {
namespace {

/// A coordinate with at most two decimals and no trailing zeros.
std::string number(double value) {
  std::string text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string hex(Colour colour) {
  return fmt::format("#{:02x}{:02x}{:02x}", colour.red, colour.green, colour.blue);
}

std::string attributes(const Stroke& stroke) {
  std::string text =
      fmt::format(R"(fill="none" stroke="{}" stroke-width="{}")", hex(stroke.colour), number(stroke.width));
  if (stroke.opacity < 1) text += fmt::format(R"( stroke-opacity="{}")", number(stroke.opacity));
  if (!stroke.dashes.empty()) text += fmt::format(R"( stroke-dasharray="{}")", stroke.dashes);
  return text;
}

/// Relative luminance, WCAG 2.2.
double luminance(Colour colour) {
  const auto linear = [](int channel) {
    const double share = channel / 255.0;
    return share <= 0.04045 ? share / 12.92 : std::pow((share + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue);
}

double contrast(Colour a, Colour b) {
  const auto [darker, lighter] = std::minmax({luminance(a), luminance(b)});
  return (lighter + 0.05) / (darker + 0.05);
}

}  // namespace

Colour blend(Colour from, Colour to, double share) {
  const auto channel = [share](int a, int b) { return int(std::lround(a + share * (b - a))); };
  return {channel(from.red, to.red), channel(from.green, to.green), channel(from.blue, to.blue)};
}

Colour readable_on(Colour background) {
  return contrast(kInk, background) >= contrast(kWhite, background) ? kInk : kWhite;
}

std::string escaped_for_xml(std::string_view utf8) {
  std::string escaped;
  for (const char c : printable(utf8)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&apos;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

double text_width(std::string_view utf8, double size, bool bold) {
  // Widths in em, measured generously on DejaVu Sans, the widest of the fonts asked for. Three bytes and more
  // begin the East Asian scripts, whose characters are square.
  double ems = 0;
  for (const char c : utf8) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) == 0x80) continue;
    if (std::string_view("mwMW@%").find(c) != std::string_view::npos) {
      ems += 0.98;
    } else if (std::string_view("iljtfI.,:;|!'() ").find(c) != std::string_view::npos) {
      ems += 0.4;
    } else {
      ems += byte >= 0xE0 ? 1.0 : (c >= 'A' && c <= 'Z') ? 0.72 : 0.64;
    }
  }
  return ems * size * (bold ? 1.12 : 1);
}

std::string fitted(std::string_view utf8, double width, double size, bool bold) {
  std::string text(utf8);
  for (size_t length = characters(utf8); length > 0 && text_width(text, size, bold) > width; --length) {
    text = shortened(utf8, length - 1);
  }
  return text;
}

Svg::Svg(double width, double height, std::string_view title) {
  text_ = fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img" font-family="Helvetica, Arial, 'DejaVu Sans', sans-serif">
<title>{2}</title>
)",
      number(width), number(height), escaped_for_xml(title));
  rectangle({0, 0}, width, height, kWhite);
}

void Svg::rectangle(Point corner, double width, double height, Colour fill, std::string_view hint) {
  text_ += fmt::format(R"(<rect x="{}" y="{}" width="{}" height="{}" fill="{}")", number(corner.x),
                       number(corner.y), number(width), number(height), hex(fill));
  text_ += hint.empty() ? "/>\n" : fmt::format("><title>{}</title></rect>\n", escaped_for_xml(hint));
}

void Svg::frame(Point corner, double width, double height, const Stroke& stroke) {
  text_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {}/>\n", number(corner.x),
                       number(corner.y), number(width), number(height), attributes(stroke));
}

void Svg::line(Point from, Point to, const Stroke& stroke) {
  text_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" {}/>\n", number(from.x), number(from.y),
                       number(to.x), number(to.y), attributes(stroke));
}

void Svg::polyline(std::span<const Point> points, const Stroke& stroke) {
  if (points.size() < 2) return;
  text_ += "<polyline points=\"";
  for (const Point& point : points) {
    text_ += fmt::format("{}{},{}", &point == points.data() ? "" : " ", number(point.x), number(point.y));
  }
  text_ += fmt::format("\" {} stroke-linejoin=\"round\"/>\n", attributes(stroke));
}

void Svg::dot(Point centre, double radius, Colour fill, double opacity) {
  text_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\" fill-opacity=\"{}\"/>\n",
                       number(centre.x), number(centre.y), number(radius), hex(fill), number(opacity));
}

void Svg::ring(Point centre, double radius, const Stroke& stroke) {
  text_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {}/>\n", number(centre.x), number(centre.y),
                       number(radius), attributes(stroke));
}

void Svg::cross(Point centre, double radius, const Stroke& stroke) {
  line({centre.x - radius, centre.y - radius}, {centre.x + radius, centre.y + radius}, stroke);
  line({centre.x - radius, centre.y + radius}, {centre.x + radius, centre.y - radius}, stroke);
}

void Svg::text(Point at, std::string_view utf8, const TextStyle& style) {
  constexpr std::array<std::string_view, 3> kAnchors = {"start", "middle", "end"};
  text_ += fmt::format(R"(<text x="{}" y="{}" font-size="{}" text-anchor="{}" fill="{}")", number(at.x),
                       number(at.y), number(style.size), kAnchors[size_t(style.anchor)], hex(style.colour));
  if (style.bold) text_ += R"( font-weight="bold")";
  if (style.degrees != 0) {
    text_ +=
        fmt::format(" transform=\"rotate({} {} {})\"", number(style.degrees), number(at.x), number(at.y));
  }
  text_ += fmt::format(">{}</text>\n", escaped_for_xml(utf8));
}

std::string Svg::finish() && {
  return std::move(text_) + "</svg>\n";
}

}  // namespace signet::study
