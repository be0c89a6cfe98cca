#include "study/svg_confusion.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "study/svg_canvas.h"

namespace signet::study {
namespace {

constexpr double kMargin = 20;
constexpr double kTitleSize = 18;
constexpr double kTextSize = 12;
constexpr double kWidestName = 170;
constexpr double kScaleWidth = 118;
constexpr double kSine45 = 0.70710678;

/// Right answers are blue, wrong ones vermilion; even the smallest share is tinted, so that a single mistake
/// shows.
Colour shade(double share, bool right) {
  constexpr double kSmallestTint = 0.14;
  if (share <= 0) return kWhite;
  const Colour full = right ? Colour{0, 80, 136} : Colour{186, 75, 0};
  return blend(kWhite, full, kSmallestTint + (1 - kSmallestTint) * share);
}

double cell_size(int64_t classes) {
  if (classes <= 5) return 64;
  if (classes <= 12) return 44;
  return classes <= 40 ? 26 : 18;
}

class Picture {
 public:
  Picture(const ConfusionMatrix& matrix, std::span<const std::string> classes, const std::string& title)
      : matrix_(matrix), cell_(cell_size(matrix.classes())), label_size_(std::min(kTextSize, 0.62 * cell_)) {
    side_ = cell_ * double(matrix.classes());
    for (const std::string& name : classes) {
      names_.push_back(fitted(name, kWidestName, label_size_));
      full_names_.push_back(name);
      widest_ = std::max(widest_, text_width(names_.back(), label_size_));
    }
    // Names stand upright under the columns where they fit and are slanted where they do not.
    slanted_ = widest_ > cell_ - 4;
    left_ = kMargin + 24 + widest_ + 8;
    top_ = kMargin + 64;
    subtitle_ =
        fmt::format("accuracy {:.2f} % ({} of {})", 100 * accuracy(matrix), matrix.correct(), matrix.total());
    const double room = std::max(side_ + kScaleWidth + left_ - kMargin, 560.0);
    title_ = fitted(title, room, kTitleSize, true);
    width_ = std::max({left_ + side_ + kScaleWidth, text_width(title_, kTitleSize, true) + kMargin,
                       text_width(subtitle_, kTextSize + 1) + kMargin}) +
             kMargin;
    names_height_ = slanted_ ? widest_ * kSine45 + label_size_ + 6 : label_size_ + 8;
    height_ = top_ + side_ + names_height_ + 26 + kMargin;
  }

  std::string draw() {
    Svg svg(width_, height_, fmt::format("Confusion matrix, {}: {}", title_, subtitle_));
    svg.text({kMargin, kMargin + 16}, title_, {.size = kTitleSize, .bold = true});
    svg.text({kMargin, kMargin + 38}, subtitle_, {.size = kTextSize + 1, .colour = kMuted});
    cells(svg);
    names(svg);
    scale(svg);
    return std::move(svg).finish();
  }

 private:
  void cells(Svg& svg) const {
    const int64_t classes = matrix_.classes();
    for (int64_t row = 0; row < classes; ++row) {
      const double support = double(matrix_.support(row));
      for (int64_t column = 0; column < classes; ++column) {
        const int64_t count = matrix_.at(row, column);
        if (count == 0) continue;
        const double share = double(count) / support;
        const Colour fill = shade(share, row == column);
        const Point corner{left_ + double(column) * cell_, top_ + double(row) * cell_};
        svg.rectangle(corner, cell_, cell_, fill,
                      fmt::format("true {}, predicted {}: {} of {} ({:.1f} %)", full_names_[size_t(row)],
                                  full_names_[size_t(column)], count, support, 100 * share));
        const std::string digits = fmt::format("{}", count);
        const double widest = text_width(digits, 1);
        const double size = std::min({0.44 * cell_, 18.0, (cell_ - 4) / widest});
        svg.text({corner.x + cell_ / 2, corner.y + cell_ / 2 + 0.36 * size}, digits,
                 {.size = size, .anchor = Anchor::middle, .colour = readable_on(fill)});
      }
    }
    for (int64_t k = 1; k < classes; ++k) {
      const double offset = double(k) * cell_;
      svg.line({left_, top_ + offset}, {left_ + side_, top_ + offset}, {.colour = kGrid});
      svg.line({left_ + offset, top_}, {left_ + offset, top_ + side_}, {.colour = kGrid});
    }
    svg.frame({left_, top_}, side_, side_, {.colour = kMuted});
  }

  void names(Svg& svg) const {
    for (size_t k = 0; k < names_.size(); ++k) {
      const double centre = (double(k) + 0.5) * cell_;
      svg.text({left_ - 8, top_ + centre + 0.36 * label_size_}, names_[k],
               {.size = label_size_, .anchor = Anchor::end});
      if (slanted_) {
        svg.text({left_ + centre + 0.3 * label_size_, top_ + side_ + label_size_}, names_[k],
                 {.size = label_size_, .anchor = Anchor::end, .degrees = -45});
      } else {
        svg.text({left_ + centre, top_ + side_ + label_size_ + 6}, names_[k],
                 {.size = label_size_, .anchor = Anchor::middle});
      }
    }
    const TextStyle axis{.size = kTextSize + 1, .anchor = Anchor::middle, .colour = kMuted};
    svg.text({left_ + side_ / 2, top_ + side_ + names_height_ + 18}, "predicted class", axis);
    TextStyle upwards = axis;
    upwards.degrees = -90;
    svg.text({kMargin + 12, top_ + side_ / 2}, "true class", upwards);
  }

  /// Two bars: what share of a row's samples the shades of right and of wrong cells stand for.
  void scale(Svg& svg) const {
    constexpr int kSteps = 50;
    constexpr double kBar = 14;
    const double height = std::min(side_, 220.0);
    const double left = left_ + side_ + 28;
    for (int step = 0; step < kSteps; ++step) {
      const double share = (step + 0.5) / kSteps;
      const double y = top_ + height * (1 - double(step + 1) / kSteps);
      // Each step reaches under the next one, so that no seam shows between them.
      const double reach = height / kSteps + (step > 0 ? 0.5 : 0);
      svg.rectangle({left, y}, kBar, reach, shade(share, true));
      svg.rectangle({left + kBar + 2, y}, kBar, reach, shade(share, false));
    }
    svg.frame({left, top_}, kBar, height, {.colour = kMuted, .width = 0.75});
    svg.frame({left + kBar + 2, top_}, kBar, height, {.colour = kMuted, .width = 0.75});
    const double right = left + 2 * kBar + 2;
    for (int quarter = 0; quarter <= 4; ++quarter) {
      const double y = top_ + height * (1 - quarter / 4.0);
      svg.line({right, y}, {right + 4, y}, {.colour = kMuted});
      svg.text({right + 8, y + 4}, fmt::format("{} %", 25 * quarter),
               {.size = kTextSize - 1, .colour = kMuted});
    }
    const TextStyle name{.size = kTextSize - 1, .anchor = Anchor::end, .colour = kMuted, .degrees = -90};
    svg.text({left + kBar / 2 + 4, top_ + height + 6}, "right", name);
    svg.text({left + 1.5 * kBar + 6, top_ + height + 6}, "wrong", name);
    svg.text({left, top_ - 10}, "share of the row", {.size = kTextSize - 1, .colour = kMuted});
  }

  const ConfusionMatrix& matrix_;
  double cell_;
  double label_size_;
  double side_ = 0;
  double widest_ = 0;
  double left_ = 0;
  double top_ = 0;
  double width_ = 0;
  double height_ = 0;
  double names_height_ = 0;
  bool slanted_ = false;
  std::vector<std::string> names_;
  std::vector<std::string> full_names_;
  std::string title_;
  std::string subtitle_;
};

}  // namespace

std::string confusion_svg(const ConfusionMatrix& matrix, std::span<const std::string> classes,
                          const std::string& title) {
  if (int64_t(classes.size()) != matrix.classes()) {
    throw std::invalid_argument(
        fmt::format("[confusion_svg] {} names for {} classes", classes.size(), matrix.classes()));
  }
  return Picture(matrix, classes, title).draw();
}

}  // namespace signet::study
