#pragma once
// Draws into an SVG text (W3C SVG 1.1): shapes and text in pixels, y downwards. Nothing outside the text is
// referred to, and no ids are used, so that pictures can be put into one page.

#include <span>
#include <string>
#include <string_view>

namespace signet::study {

struct Point {
  double x = 0;
  double y = 0;
};

struct Colour {
  int red = 0;
  int green = 0;
  int blue = 0;
};

/// Colours that people with any of the usual colour-vision deficiencies tell apart (the palette of Okabe and
/// Ito, jfly.uni-koeln.de/color), and greys.
inline constexpr Colour kBlue{0, 114, 178};
inline constexpr Colour kVermilion{213, 94, 0};
inline constexpr Colour kGreen{0, 158, 115};
inline constexpr Colour kPurple{204, 121, 167};
inline constexpr Colour kInk{34, 34, 34};
inline constexpr Colour kMuted{95, 99, 104};
inline constexpr Colour kGrid{226, 229, 233};
inline constexpr Colour kWhite{255, 255, 255};

/// The colour at `share` (0..1) of the way between two, each channel linear.
Colour blend(Colour from, Colour to, double share);

/// Ink or white, whichever reads better on a background (the greater contrast ratio of WCAG 2).
Colour readable_on(Colour background);

enum class Anchor { start, middle, end };

struct TextStyle {
  double size = 12;  ///< pixels
  Anchor anchor = Anchor::start;
  Colour colour = kInk;
  bool bold = false;
  double degrees = 0;  ///< turned about the anchor, clockwise
};

struct Stroke {
  Colour colour = kInk;
  double width = 1;
  double opacity = 1;
  std::string_view dashes = {};  ///< as in stroke-dasharray; empty for a solid line
};

/// The text for XML content and attributes: the five special characters escaped, control characters and bytes
/// that are not UTF-8 replaced by "?".
std::string escaped_for_xml(std::string_view utf8);

/// About how wide text is in the usual sans-serif fonts; errs to the wide side.
double text_width(std::string_view utf8, double size, bool bold = false);

/// The text, shortened with "..." if need be to fit a width.
std::string fitted(std::string_view utf8, double width, double size, bool bold = false);

class Svg {
 public:
  /// A white picture; `title` is what screen readers say.
  Svg(double width, double height, std::string_view title);

  /// A filled rectangle; `hint` is shown when the mouse rests on it.
  void rectangle(Point corner, double width, double height, Colour fill, std::string_view hint = {});
  void frame(Point corner, double width, double height, const Stroke& stroke);
  void line(Point from, Point to, const Stroke& stroke);
  /// A line through all points; nothing for fewer than two.
  void polyline(std::span<const Point> points, const Stroke& stroke);
  void dot(Point centre, double radius, Colour fill, double opacity = 1);
  void ring(Point centre, double radius, const Stroke& stroke);
  void cross(Point centre, double radius, const Stroke& stroke);
  /// Text whose baseline starts, is centred or ends at a point.
  void text(Point at, std::string_view utf8, const TextStyle& style = {});

  /// The whole document.
  std::string finish() &&;

 private:
  std::string text_;
};

}  // namespace signet::study
