#include "study/svg_curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "study/svg_axis.h"
#include "study/svg_canvas.h"

namespace signet::study {
namespace {

constexpr double kWidth = 960;
constexpr double kLeft = 76;
constexpr double kRight = 24;
constexpr double kTop = 104;
constexpr double kPanelHeight = 190;
constexpr double kPanelGap = 72;
constexpr double kTextSize = 12;
constexpr double kPlotWidth = kWidth - kLeft - kRight;

/// Epoch -> value of one fold in one phase.
using Line = std::map<int, double>;

/// A figure of an epoch, e.g. the validation loss.
struct Figure {
  Scores EpochRecord::*side;
  double Scores::*value;
  std::string_view name;
  Colour colour;
  std::string_view dashes;
};

struct Panel {
  std::string_view title;
  std::vector<Figure> figures;
  bool is_share = false;  ///< 0..1, shown in percent
  bool marked = false;    ///< kept and last epochs are marked on the validation line
};

std::vector<Panel> panels() {
  const auto training = &EpochRecord::train;
  const auto validation = &EpochRecord::validation;
  return {
      {"Loss (cross-entropy, mean per image)",
       {{training, &Scores::loss, "training", kVermilion, "6 3"},
        {validation, &Scores::loss, "validation", kBlue, ""}},
       false,
       true},
      {"Accuracy",
       {{training, &Scores::accuracy, "training", kVermilion, "6 3"},
        {validation, &Scores::accuracy, "validation", kBlue, ""}},
       true,
       true},
      {"Macro averages on the validation images",
       {{validation, &Scores::precision, "precision", kGreen, "6 3"},
        {validation, &Scores::recall, "recall", kPurple, "2 3"},
        {validation, &Scores::f1, "F1", kInk, ""}},
       true,
       false},
  };
}

struct Phase {
  std::string name;
  int first = std::numeric_limits<int>::max();
  int last = std::numeric_limits<int>::min();
  std::set<int> folds;
  double left = 0;
  double width = 0;

  double pixels_per_epoch() const { return width / (last - first + 1); }
  /// Half an epoch stays free on either side, so that a single epoch lies in the middle.
  double x(int epoch) const { return left + (epoch - first + 0.5) * pixels_per_epoch(); }
};

std::vector<Phase> phases_of(std::span<const EpochRecord> epochs) {
  std::vector<Phase> phases;
  for (const EpochRecord& record : epochs) {
    auto phase = std::ranges::find(phases, record.phase, &Phase::name);
    if (phase == phases.end()) {
      phase = phases.insert(phase, Phase());
      phase->name = record.phase;
    }
    phase->first = std::min(phase->first, record.epoch);
    phase->last = std::max(phase->last, record.epoch);
    phase->folds.insert(record.fold);
  }
  return phases;
}

/// Shares the width out in proportion to the epochs, but leaves room for each phase's name.
void lay_out(std::vector<Phase>& phases) {
  const double least = std::min(90.0, kPlotWidth / double(std::max<size_t>(phases.size(), 1)));
  double epochs = 0;
  for (const Phase& phase : phases) epochs += phase.last - phase.first + 1;
  const double shared = kPlotWidth - least * double(phases.size());
  double left = kLeft;
  for (Phase& phase : phases) {
    phase.left = left;
    phase.width = least + shared * (phase.last - phase.first + 1) / epochs;
    left += phase.width;
  }
}

class Picture {
 public:
  Picture(std::span<const EpochRecord> epochs, std::span<const PhaseOutcome> outcomes,
          const std::string& title)
      : epochs_(epochs), outcomes_(outcomes), title_(title), panels_(panels()), phases_(phases_of(epochs)) {
    lay_out(phases_);
    for (const Phase& phase : phases_) several_folds_ |= phase.folds.size() > 1;
  }

  std::string draw() const {
    const double height = kTop + double(panels_.size()) * (kPanelHeight + kPanelGap) - kPanelGap +
                          (phases_.size() > 1 ? 76 : 60);
    Svg svg(kWidth, height, title_ + ": loss, accuracy, precision, recall and F1 by epoch");
    svg.text({kLeft, 34}, fitted(title_, kPlotWidth, 18, true), {.size = 18, .bold = true});
    marks_legend(svg);
    double top = kTop;
    for (const Panel& panel : panels_) {
      draw_panel(svg, panel, top);
      top += kPanelHeight + kPanelGap;
    }
    svg.text({kLeft + kPlotWidth / 2, height - 18}, phases_.size() > 1 ? "epoch of the phase" : "epoch",
             {.size = kTextSize + 1, .anchor = Anchor::middle, .colour = kMuted});
    return std::move(svg).finish();
  }

 private:
  Line line_of(const Phase& phase, int fold, const Figure& figure) const {
    Line line;
    for (const EpochRecord& record : epochs_) {
      const double value = record.*figure.side.*figure.value;
      if (record.phase == phase.name && record.fold == fold && std::isfinite(value)) {
        line[record.epoch] = value;
      }
    }
    return line;
  }

  /// The mean over the folds, as far as all of them got: beyond that, folds dropping out would bend it.
  Line mean_line(const Phase& phase, const Figure& figure) const {
    int last = phase.last;
    for (const int fold : phase.folds) {
      int reached = phase.first;
      for (const EpochRecord& record : epochs_) {
        if (record.phase == phase.name && record.fold == fold) reached = std::max(reached, record.epoch);
      }
      last = std::min(last, reached);
    }
    std::map<int, std::vector<double>> values;
    for (const int fold : phase.folds) {
      for (const auto& [epoch, value] : line_of(phase, fold, figure)) values[epoch].push_back(value);
    }
    Line line;
    for (const auto& [epoch, of_folds] : values) {
      if (epoch <= last) line[epoch] = mean(of_folds);
    }
    return line;
  }

  std::optional<Axis> axis_of(const Panel& panel) const {
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    for (const EpochRecord& record : epochs_) {
      for (const Figure& figure : panel.figures) {
        const double value = record.*figure.side.*figure.value;
        if (!std::isfinite(value)) continue;
        low = std::min(low, value);
        high = std::max(high, value);
      }
    }
    if (low > high) return std::nullopt;
    constexpr int kMostTicks = 6;
    if (!panel.is_share) {
      // Fine-tuning moves a loss that is already small: on a linear axis it would be a flat line.
      constexpr double kLogarithmicFrom = 30;
      const bool logarithmic = low > 0 && high > kLogarithmicFrom * low;
      return logarithmic ? log_axis(low, high, kMostTicks + 3)
                         : round_axis(std::min(low, 0.0), high, kMostTicks);
    }
    // Percentages, of which none lies beyond 100.
    if (high - low < 0.02) low = std::max(0.0, high - 0.02);
    Axis axis = round_axis(100 * low, 100 * high, kMostTicks);
    axis.high = std::min(axis.high, 100.0);
    std::erase_if(axis.ticks, [](double tick) { return tick > 100; });
    return axis;
  }

  void draw_panel(Svg& svg, const Panel& panel, double top) const {
    const double bottom = top + kPanelHeight;
    const std::optional<Axis> axis = axis_of(panel);
    const std::string_view scale_note = axis && axis->logarithmic ? ", logarithmic" : "";
    svg.text({kLeft, top - 10}, fmt::format("{}{}", panel.title, scale_note),
             {.size = kTextSize + 1, .bold = true});
    figures_legend(svg, panel, top - 10);
    if (axis) {
      for (const double tick : axis->ticks) {
        const double y = bottom - axis->share(tick) * kPanelHeight;
        svg.line({kLeft, y}, {kLeft + kPlotWidth, y}, {.colour = kGrid});
        svg.text({kLeft - 8, y + 4}, axis->label(tick) + (panel.is_share ? " %" : ""),
                 {.size = kTextSize, .anchor = Anchor::end, .colour = kMuted});
      }
    } else {
      svg.text({kLeft + kPlotWidth / 2, (top + bottom) / 2}, "nothing was measured",
               {.size = kTextSize + 1, .anchor = Anchor::middle, .colour = kMuted});
    }
    for (const Phase& phase : phases_) draw_epochs(svg, phase, top, bottom);
    svg.frame({kLeft, top}, kPlotWidth, kPanelHeight, {.colour = kMuted});
    if (!axis) return;
    const double scale = panel.is_share ? 100 : 1;
    const auto y_of = [&](double value) { return bottom - axis->share(scale * value) * kPanelHeight; };
    for (const Phase& phase : phases_) {
      // The solid line comes last in the list and lowest in the picture: dashed ones remain visible on it.
      for (auto figure = panel.figures.rbegin(); figure != panel.figures.rend(); ++figure) {
        draw_figure(svg, phase, *figure, y_of);
      }
      if (panel.marked) draw_marks(svg, phase, panel.figures.back(), y_of);
    }
  }

  /// The phase's divider and name, and the epochs below the panel.
  void draw_epochs(Svg& svg, const Phase& phase, double top, double bottom) const {
    if (&phase != &phases_.front()) {
      svg.line({phase.left, top}, {phase.left, bottom}, {.colour = kMuted, .dashes = "4 3"});
    }
    constexpr double kPixelsPerLabel = 34;
    for (const int epoch :
         whole_ticks(phase.first, phase.last, std::max(int(phase.width / kPixelsPerLabel), 1))) {
      svg.line({phase.x(epoch), bottom}, {phase.x(epoch), bottom + 4}, {.colour = kMuted});
      svg.text({phase.x(epoch), bottom + 18}, fmt::format("{}", epoch),
               {.size = kTextSize, .anchor = Anchor::middle, .colour = kMuted});
    }
    if (phases_.size() > 1) {
      svg.text({phase.left + phase.width / 2, bottom + 35},
               fitted(phase.name, phase.width - 8, kTextSize, true),
               {.size = kTextSize, .anchor = Anchor::middle, .bold = true});
    }
  }

  template <class YOf>
  void draw_figure(Svg& svg, const Phase& phase, const Figure& figure, const YOf& y_of) const {
    const bool several = phase.folds.size() > 1;
    if (several) {
      for (const int fold : phase.folds) {
        draw_line(svg, phase, line_of(phase, fold, figure), {.colour = figure.colour, .opacity = 0.35}, y_of);
      }
    }
    draw_line(svg, phase, mean_line(phase, figure),
              {.colour = figure.colour, .width = 2.5, .dashes = figure.dashes}, y_of);
  }

  /// Joins neighbouring epochs; where one is missing the line is interrupted. An epoch alone is a dot.
  template <class YOf>
  void draw_line(Svg& svg, const Phase& phase, const Line& line, const Stroke& stroke,
                 const YOf& y_of) const {
    std::vector<Point> run;
    for (auto at = line.begin(); at != line.end(); ++at) {
      run.push_back({phase.x(at->first), y_of(at->second)});
      const auto next = std::next(at);
      if (next != line.end() && next->first == at->first + 1) continue;
      svg.polyline(run, stroke);
      if (run.size() == 1) svg.dot(run.front(), 1.2 * stroke.width, stroke.colour, stroke.opacity);
      run.clear();
    }
  }

  template <class YOf>
  void draw_marks(Svg& svg, const Phase& phase, const Figure& figure, const YOf& y_of) const {
    for (const PhaseOutcome& outcome : outcomes_) {
      if (outcome.phase != phase.name) continue;
      const Line line = line_of(phase, outcome.fold, figure);
      if (const auto kept = line.find(outcome.best_epoch); kept != line.end()) {
        svg.ring({phase.x(kept->first), y_of(kept->second)}, 4.5, {.colour = kInk, .width = 1.5});
      }
      const auto stopped = line.find(outcome.last_epoch);
      if (outcome.stopped_early && stopped != line.end()) {
        svg.cross({phase.x(stopped->first), y_of(stopped->second)}, 4, {.colour = kInk, .width = 1.5});
      }
    }
  }

  /// Line samples and names, from the right edge leftwards.
  void figures_legend(Svg& svg, const Panel& panel, double baseline) const {
    double right = kLeft + kPlotWidth;
    for (auto figure = panel.figures.rbegin(); figure != panel.figures.rend(); ++figure) {
      const double left = right - text_width(figure->name, kTextSize);
      svg.text({left, baseline}, figure->name, {.size = kTextSize});
      svg.line({left - 36, baseline - 4}, {left - 7, baseline - 4},
               {.colour = figure->colour, .width = 2.5, .dashes = figure->dashes});
      right = left - 56;
    }
  }

  /// What thin lines, rings and crosses mean, as far as there are any.
  void marks_legend(Svg& svg) const {
    constexpr double kBaseline = 58;
    double x = kLeft;
    const auto name = [&](std::string_view text) {
      svg.text({x, kBaseline}, text, {.size = kTextSize, .colour = kMuted});
      x += text_width(text, kTextSize) + 24;
    };
    if (several_folds_) {
      svg.line({x, kBaseline - 4}, {x + 28, kBaseline - 4}, {.colour = kInk, .opacity = 0.35});
      x += 35;
      name("one fold");
      svg.line({x, kBaseline - 4}, {x + 28, kBaseline - 4}, {.colour = kInk, .width = 2.5});
      x += 35;
      name("mean of the folds");
    }
    if (!outcomes_.empty()) {
      svg.ring({x + 5, kBaseline - 4}, 4.5, {.colour = kInk, .width = 1.5});
      x += 17;
      name("weights kept");
    }
    if (std::ranges::any_of(outcomes_, &PhaseOutcome::stopped_early)) {
      svg.cross({x + 5, kBaseline - 4}, 4, {.colour = kInk, .width = 1.5});
      x += 17;
      name("stopped early");
    }
  }

  std::span<const EpochRecord> epochs_;
  std::span<const PhaseOutcome> outcomes_;
  std::string title_;
  std::vector<Panel> panels_;
  std::vector<Phase> phases_;
  bool several_folds_ = false;
};

}  // namespace

std::string curves_svg(std::span<const EpochRecord> epochs, std::span<const PhaseOutcome> outcomes,
                       const std::string& title) {
  return Picture(epochs, outcomes, title).draw();
}

}  // namespace signet::study
