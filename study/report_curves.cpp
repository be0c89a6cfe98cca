#include "study/report_curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "study/svg_axis.h"
#include "study/svg_canvas.h"

namespace signet::study {
namespace {

constexpr double kWidth = 360, kHeight = 210;
constexpr double kLeft = 48, kRight = 10, kTop = 10, kBottom = 30;
constexpr double kPlotWidth = kWidth - kLeft - kRight, kPlotHeight = kHeight - kTop - kBottom;

struct Figure {
  std::string_view name;
  double Scores::*value;
  bool is_share;
};

constexpr std::array<Figure, 5> kFigures = {{{"Loss", &Scores::loss, false},
                                             {"Accuracy", &Scores::accuracy, true},
                                             {"Precision", &Scores::precision, true},
                                             {"Recall", &Scores::recall, true},
                                             {"F1", &Scores::f1, true}}};

struct Side {
  std::string_view name;  ///< also the CSS class of its lines
  Scores EpochRecord::*scores;
};

constexpr std::array<Side, 2> kSides = {
    {{"training", &EpochRecord::train}, {"validation", &EpochRecord::validation}}};

using Line = std::map<int, double>;  ///< epoch to value

std::string value_text(const Figure& figure, double value) {
  if (!std::isfinite(value)) return "–";
  return figure.is_share ? fmt::format("{:.2f}%", 100 * value) : fmt::format("{:.4f}", value);
}

class Curves {
 public:
  Curves(const ReportRun& run, const ReportModel& model) : run_(run), model_(model) {
    for (const auto& record : model.epochs) {
      first_ = std::min(first_, record.epoch);
      last_ = std::max(last_, record.epoch);
      reached_[record.fold] = std::max(reached_[record.fold], record.epoch);
    }
    shared_ = last_;
    for (const auto& [fold, epoch] : reached_) shared_ = std::min(shared_, epoch);
  }

  std::string html() const {
    if (model_.epochs.empty()) return "<p>No epoch was finished.</p>\n";
    std::string text = legend() + "<div class=\"charts\">\n";
    for (size_t f = 0; f < kFigures.size(); ++f) text += chart(f);
    return text + "</div>\n" + table();
  }

 private:
  double x(int epoch) const {
    return kLeft + (epoch - first_ + 0.5) * kPlotWidth / double(last_ - first_ + 1);
  }

  Line line_of(const Figure& figure, const Side& side, int fold) const {
    Line line;
    for (const auto& record : model_.epochs) {
      const double value = record.*side.scores.*figure.value;
      if (record.fold == fold && std::isfinite(value)) line[record.epoch] = value;
    }
    return line;
  }

  /// The mean over the folds that got to an epoch.
  double mean_at(const Figure& figure, const Side& side, int epoch) const {
    std::vector<double> values;
    for (const auto& record : model_.epochs) {
      const double value = record.*side.scores.*figure.value;
      if (record.epoch == epoch && std::isfinite(value)) values.push_back(value);
    }
    return mean(values);
  }

  bool measured(const Figure& figure, const Side& side) const {
    return std::ranges::any_of(model_.epochs, [&](const EpochRecord& record) {
      return std::isfinite(record.*side.scores.*figure.value);
    });
  }

  std::optional<Axis> axis_of(const Figure& figure) const {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const auto& record : model_.epochs) {
      for (const auto& side : kSides) {
        const double value = record.*side.scores.*figure.value;
        if (!std::isfinite(value)) continue;
        low = std::min(low, value);
        high = std::max(high, value);
      }
    }
    if (low > high) return std::nullopt;
    constexpr int kTicks = 6;
    if (!figure.is_share) return round_axis(std::min(low, 0.0), high, kTicks);
    if (high - low < 0.02) low = std::max(0.0, high - 0.02);
    Axis axis = round_axis(100 * low, 100 * high, kTicks);
    axis.high = std::min(axis.high, 100.0);
    std::erase_if(axis.ticks, [](double tick) { return tick > 100; });
    return axis;
  }

  std::string legend() const {
    std::string text = "<ul class=\"legend\">\n";
    for (const auto& side : kSides) {
      text += fmt::format(
          "<li><svg class=\"key\" viewBox=\"0 0 30 10\" aria-hidden=\"true\"><path class=\"mean {0}\" "
          "d=\"M1 5H29\"/></svg>{0}</li>\n",
          side.name);
    }
    if (reached_.size() > 1) {
      text +=
          "<li><svg class=\"key\" viewBox=\"0 0 30 10\" aria-hidden=\"true\"><path class=\"fold "
          "validation\" d=\"M1 5H29\"/></svg>one fold</li>\n";
    }
    return text +
           "<li><svg class=\"key\" viewBox=\"0 0 30 10\" aria-hidden=\"true\"><circle class=\"kept\" "
           "cx=\"15\" cy=\"5\" r=\"4\"/></svg>weights kept</li>\n</ul>\n";
  }

  /// Joins neighbouring epochs; an epoch alone is a short dash.
  template <class YOf>
  std::string path(const Line& line, const YOf& y_of) const {
    std::string d;
    for (auto at = line.begin(); at != line.end(); ++at) {
      const bool joined = at != line.begin() && std::prev(at)->first == at->first - 1;
      const auto next = std::next(at);
      const bool goes_on = next != line.end() && next->first == at->first + 1;
      if (!joined && !goes_on) {
        d += fmt::format("M{:.1f} {:.1f}h6", x(at->first) - 3, y_of(at->second));
      } else {
        d += fmt::format("{}{:.1f} {:.1f}", joined ? 'L' : 'M', x(at->first), y_of(at->second));
      }
    }
    return d;
  }

  std::string chart(size_t f) const {
    const Figure& figure = kFigures[f];
    const auto axis = axis_of(figure);
    std::string what = fmt::format("{} of {} by epoch.", figure.name, model_.name);
    for (const auto& side : kSides) {
      if (!measured(figure, side)) continue;
      what += fmt::format(" {}: {} in epoch {}, {} in epoch {}.", side.name,
                          value_text(figure, mean_at(figure, side, std::max(first_, 1))), std::max(first_, 1),
                          value_text(figure, mean_at(figure, side, shared_)), shared_);
    }
    // The table of figures has epoch and folds, then two columns a figure.
    std::string text = fmt::format(
        "<figure class=\"chart\" data-column=\"{}\">\n<figcaption>{}</figcaption>\n<svg viewBox=\"0 0 {} "
        "{}\" role=\"img\" aria-label=\"{}\">\n",
        2 + 2 * f, figure.name, kWidth, kHeight, escaped_for_xml(what));
    const double bottom = kTop + kPlotHeight;
    if (axis) {
      for (const double tick : axis->ticks) {
        const double y = bottom - axis->share(tick) * kPlotHeight;
        text += fmt::format(
            "<path class=\"grid\" d=\"M{} {:.1f}H{}\"/><text class=\"end\" x=\"{}\" "
            "y=\"{:.1f}\">{}{}</text>\n",
            kLeft, y, kWidth - kRight, kLeft - 6, y + 4, axis->label(tick), figure.is_share ? "%" : "");
      }
    }
    for (const int epoch : whole_ticks(first_, last_, 9)) {
      text += fmt::format("<text class=\"middle\" x=\"{:.1f}\" y=\"{}\">{}</text>\n", x(epoch), bottom + 18,
                          epoch);
    }
    text += fmt::format("<path class=\"cursor\" d=\"M0 {}V{}\"/>\n", kTop, bottom);
    if (axis) text += lines(figure, *axis);
    return text + "</svg>\n<p class=\"readout\"></p>\n</figure>\n";
  }

  std::string lines(const Figure& figure, const Axis& axis) const {
    const double scale = figure.is_share ? 100 : 1;
    const auto y_of = [&](double value) {
      return kTop + kPlotHeight * (1 - std::clamp(axis.share(scale * value), 0.0, 1.0));
    };
    std::string text;
    for (const auto& side : kSides) {
      if (reached_.size() > 1) {
        for (const auto& [fold, epoch] : reached_) {
          text += fmt::format("<path class=\"fold {}\" d=\"{}\"/>\n", side.name,
                              path(line_of(figure, side, fold), y_of));
        }
      }
      Line of_means;
      for (int epoch = first_; epoch <= shared_; ++epoch) {
        const double value = mean_at(figure, side, epoch);
        if (std::isfinite(value)) of_means[epoch] = value;
      }
      if (!of_means.empty()) {
        text += fmt::format("<path class=\"mean {}\" d=\"{}\"/>\n", side.name, path(of_means, y_of));
      }
    }
    for (const auto& [fold, epoch] : reached_) {
      const Line line = line_of(figure, kSides[1], fold);
      const auto kept = line.find(run_.kept_epoch(model_, fold));
      if (kept == line.end()) continue;
      text += fmt::format("<circle class=\"kept\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"/>\n", x(kept->first),
                          y_of(kept->second));
    }
    return text;
  }

  std::string table() const {
    std::string text = fmt::format(
        "<details>\n<summary>The same figures as a table</summary>\n<div class=\"scroll\" tabindex=\"0\" "
        "role=\"region\" aria-label=\"Figures by epoch of {0}\">\n<table class=\"epochs\">\n<caption>{0}: "
        "mean over the folds that got to the epoch</caption>\n<thead><tr><th scope=\"col\" "
        "rowspan=\"2\">Epoch</th><th scope=\"col\" rowspan=\"2\">Folds</th>",
        escaped_for_xml(model_.name));
    for (const auto& figure : kFigures) {
      text += fmt::format("<th scope=\"colgroup\" colspan=\"2\">{}</th>", figure.name);
    }
    text += "</tr>\n<tr>";
    for (size_t f = 0; f < kFigures.size(); ++f) {
      for (const auto& side : kSides) text += fmt::format("<th scope=\"col\">{}</th>", side.name);
    }
    text += "</tr></thead>\n<tbody>\n";
    for (int epoch = first_; epoch <= last_; ++epoch) {
      const auto folds = std::ranges::count(model_.epochs, epoch, &EpochRecord::epoch);
      if (folds == 0) continue;
      text +=
          fmt::format("<tr data-x=\"{:.1f}\"><th scope=\"row\">{}</th><td>{}</td>", x(epoch), epoch, folds);
      for (const auto& figure : kFigures) {
        for (const auto& side : kSides) {
          text += fmt::format("<td>{}</td>", value_text(figure, mean_at(figure, side, epoch)));
        }
      }
      text += "</tr>\n";
    }
    return text + "</tbody>\n</table>\n</div>\n</details>\n";
  }

  const ReportRun& run_;
  const ReportModel& model_;
  int first_ = std::numeric_limits<int>::max();
  int last_ = std::numeric_limits<int>::min();
  int shared_ = 0;              ///< the last epoch that every fold got to
  std::map<int, int> reached_;  ///< fold to its last epoch
};

}  // namespace

std::string curves_html(const ReportRun& run, const ReportModel& model) {
  return Curves(run, model).html();
}

}  // namespace signet::study
