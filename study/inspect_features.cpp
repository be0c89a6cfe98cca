#include "study/inspect_features.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "study/html.h"
#include "study/inspect_embedding.h"
#include "study/svg_axis.h"
#include "study/svg_canvas.h"

namespace signet::study {
namespace {

constexpr int kColours = 12;  ///< of the style sheet
constexpr double kSide = 640, kMargin = 16;

std::string esc(std::string_view text) {
  return escaped_for_xml(text);
}

/// Accuracies by stage, 0 to 100%.
class ProbeChart {
 public:
  explicit ProbeChart(const std::vector<StageFeatures>& stages) : stages_(stages) {}

  std::string html(const std::vector<double>& before, const std::vector<double>& after,
                   const std::string& description) const {
    std::string text = fmt::format(
        "<figure class=\"chart probes\">\n<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
        kWidth, kHeight, esc(description));
    const Axis axis = round_axis(0, 100, 6);
    for (const double tick : axis.ticks) {
      text += fmt::format(
          "<path class=\"grid\" d=\"M{} {:.1f}H{}\"/><text class=\"end\" x=\"{}\" y=\"{:.1f}\">{}%</text>\n",
          kLeft, y(tick / 100), kWidth - 8, kLeft - 6, y(tick / 100) + 4, axis.label(tick));
    }
    for (size_t i = 0; i < stages_.size(); ++i) {
      text += fmt::format("<text class=\"middle\" x=\"{:.1f}\" y=\"{}\">{}</text>\n", x(i), kHeight - 8,
                          esc(stages_[i].stage));
    }
    if (!before.empty()) text += line(before, "training");
    return text + line(after, "validation") + "</svg>\n</figure>\n";
  }

 private:
  static constexpr double kWidth = 480, kHeight = 240, kLeft = 48;

  double x(size_t i) const {
    return kLeft + (double(i) + 0.5) * (kWidth - 8 - kLeft) / double(stages_.size());
  }
  static double y(double share) { return 10 + (kHeight - 40) * (1 - share); }

  std::string line(const std::vector<double>& values, const char* name) const {
    std::string path, dots;
    for (size_t i = 0; i < values.size(); ++i) {
      path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? 'M' : 'L', x(i), y(values[i]));
      dots += fmt::format("<circle class=\"dot {}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"/>", name, x(i),
                          y(values[i]));
    }
    return fmt::format("<path class=\"mean {}\" d=\"{}\"/>{}\n", name, path, dots);
  }

  const std::vector<StageFeatures>& stages_;
};

std::string key(const char* name, const std::string& text) {
  return fmt::format(
      "<li><svg class=\"key\" viewBox=\"0 0 30 10\" aria-hidden=\"true\"><path class=\"mean {}\" d=\"M1 "
      "5H29\"/></svg>{}</li>\n",
      name, esc(text));
}

/// Points scaled to a square, equally in both directions, as whole pixels.
std::vector<std::pair<int, int>> fitted_to_square(const std::vector<Point>& points) {
  Point low{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  Point high{-low.x, -low.y};
  for (const Point& p : points) {
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  const double width = std::max({high.x - low.x, high.y - low.y, 1e-12});
  std::vector<std::pair<int, int>> places;
  for (const Point& p : points) {
    const auto place = [&](double value, double from, double to) {
      return int(std::lround(kSide / 2 + (value - (from + to) / 2) / width * (kSide - 2 * kMargin)));
    };
    places.emplace_back(place(p.x, low.x, high.x), place(-p.y, -high.y, -low.y));
  }
  return places;
}

/// One way to draw the features.
struct View {
  std::string network, method;  ///< names of the two choices
  std::vector<std::pair<int, int>> places;
};

std::string choice(const std::string& group, const std::string& legend,
                   const std::vector<std::pair<std::string, std::string>>& values) {
  std::string text = fmt::format("<fieldset><legend>{}</legend>", legend);
  for (size_t i = 0; i < values.size(); ++i) {
    text += fmt::format("<label><input type=\"radio\" name=\"{}\" value=\"{}\"{}/>{}</label>", group,
                        esc(values[i].first), i == 0 ? " checked=\"checked\"" : "", esc(values[i].second));
  }
  return text + "</fieldset>\n";
}

class Plane {
 public:
  Plane(const Inspected& inspected, const InspectedImages& images, const StageFeatures& last)
      : inspected_(inspected), images_(images), last_(last), both_(inspected.before && !last.shared) {
    add_views("after", last.after);
    if (both_) add_views("before", last.before);
    signers_known_ = std::ranges::any_of(images.signers, [](const auto& s) { return !s.empty(); });
    for (const auto& label : images.label_names) class_numbers_.emplace(label, int(class_numbers_.size()));
    for (const auto& signer : images.signers) signer_numbers_.emplace(signer, 0);
    int next = 0;
    for (auto& [signer, number] : signer_numbers_) number = next++;
  }

  std::string html() const {
    std::string text = "<form class=\"controls script\">\n";
    if (both_) {
      text += choice("network", "Network",
                     {{"after", inspected_.after.name}, {"before", inspected_.before->name}});
    }
    text += choice("method", "Method", {{"tsne", "t-SNE"}, {"pca", "principal components"}});
    if (signers_known_) text += choice("colour", "Colour", {{"class", "by class"}, {"signer", "by signer"}});
    text += "</form>\n<figure class=\"plane\">\n";
    text += fmt::format(
        "<svg id=\"plane\" viewBox=\"0 0 {} {}\" data-colour=\"class\" role=\"img\" aria-label=\"The {} "
        "images as points: near ones look alike to the network. The table below says how many neighbours "
        "share class and signer.\">\n",
        kSide, kSide, images_.places.size());
    for (size_t i = 0; i < images_.places.size(); ++i) text += point(i);
    text +=
        "<circle id=\"here\" r=\"11\"/>\n</svg>\n<p class=\"readout\" id=\"point\" "
        "aria-live=\"polite\"></p>\n";
    return text + legend() + "</figure>\n" + agreement();
  }

 private:
  void add_views(const std::string& network, const Matrix& features) {
    views_.push_back({network, "tsne", fitted_to_square(tsne(features))});
    const PrincipalPlane plane = principal_plane(features);
    shares_.push_back({plane.first_share, plane.second_share});
    views_.push_back({network, "pca", fitted_to_square(plane.points)});
  }

  /// A letter where class names are short, else a dot.
  std::string point(size_t i) const {
    std::string views;
    for (const auto& view : views_) {
      views += fmt::format(" data-{}-{}=\"{},{}\"", view.network, view.method, view.places[i].first,
                           view.places[i].second);
    }
    const auto [x, y] = views_.front().places[i];
    const std::string& label = images_.label_names[i];
    const std::string about = fmt::format(
        "class=\"p k{} s{}\" transform=\"translate({} {})\" data-n=\"{}\" data-l=\"{}\" data-s=\"{}\"{}",
        class_numbers_.at(label) % kColours, signer_numbers_.at(images_.signers[i]) % kColours, x, y,
        esc(images_.paths[i]), esc(label), esc(images_.signers[i]), views);
    if (label.size() <= 2) return fmt::format("<text {}>{}</text>\n", about, esc(label));
    return fmt::format("<circle r=\"4\" {}/>\n", about);
  }

  std::string legend() const {
    if (!signers_known_) return {};
    std::string text = "<ul class=\"legend signers\" hidden=\"hidden\">\n";
    for (const auto& [signer, number] : signer_numbers_) {
      text += fmt::format("<li><span class=\"swatch s{}\"></span>{}</li>\n", number % kColours,
                          signer.empty() ? "unknown" : esc("signer " + signer));
    }
    return text + "</ul>\n";
  }

  std::string agreement() const {
    std::string text =
        "<table>\n<caption>Of an image’s ten nearest neighbours in the features (all of them, not the "
        "drawing)</caption>\n<thead><tr><th scope=\"col\">Network</th><th scope=\"col\">share its class</th>";
    if (signers_known_) text += "<th scope=\"col\">share its signer</th>";
    text += "<th scope=\"col\">Variance in two components</th></tr></thead>\n<tbody>\n";
    const auto row = [&](const std::string& name, const Matrix& features, size_t view) {
      text += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td>", esc(name),
                          percent(neighbour_agreement(features, images_.label_names)));
      if (signers_known_) {
        text += fmt::format("<td>{}</td>", percent(neighbour_agreement(features, images_.signers)));
      }
      text += fmt::format("<td>{}</td></tr>\n", percent(shares_[view].first + shares_[view].second));
    };
    if (both_) row(inspected_.before->name, last_.before, 1);
    row(inspected_.after.name, last_.after, 0);
    return framed("Neighbours", text + "</tbody>\n</table>\n");
  }

  const Inspected& inspected_;
  const InspectedImages& images_;
  const StageFeatures& last_;
  bool both_, signers_known_ = false;
  std::vector<View> views_;
  std::vector<std::pair<double, double>> shares_;  ///< of variance, by network
  std::map<std::string, int> class_numbers_, signer_numbers_;
};

}  // namespace

std::string probes_html(const Inspected& inspected, const InspectedImages& images,
                        const std::vector<StageFeatures>& stages) {
  if (images.train.empty() || images.validation.empty()) {
    return "<p>None of the images that are there was held back from training, so there is nothing to measure "
           "a probe on.</p>\n";
  }
  const int classes = int(inspected.split().classes.size());
  std::vector<double> before, after;
  std::string rows;
  for (const auto& stage : stages) {
    const auto scores = linear_probe(stage.after, images.labels, images.train, images.validation, classes);
    after.push_back(scores.validation);
    ProbeScores earlier = scores;
    if (inspected.before) {
      if (!stage.shared) {
        earlier = linear_probe(stage.before, images.labels, images.train, images.validation, classes);
      }
      before.push_back(earlier.validation);
    }
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td>", esc(stage.stage), stage.after.columns);
    if (inspected.before) {
      rows += fmt::format("<td>{}</td><td>{}</td>", percent(earlier.train), percent(earlier.validation));
    }
    rows += fmt::format("<td>{}</td><td>{}</td></tr>\n", percent(scores.train), percent(scores.validation));
  }
  std::string text = "<ul class=\"legend\">\n";
  if (inspected.before) text += key("training", "before: " + inspected.before->name);
  text += key("validation", "after: " + inspected.after.name) + "</ul>\n";
  text += ProbeChart(stages).html(
      before, after,
      fmt::format("Validation accuracy of linear probes by stage: from {} after {} to {} after {}",
                  percent(after.front()), stages.front().stage, percent(after.back()), stages.back().stage));
  std::string table =
      "<table>\n<caption>Linear probes: ridge regression on features</caption>\n<thead><tr><th scope=\"col\" "
      "rowspan=\"2\">After</th><th scope=\"col\" rowspan=\"2\">Features</th>";
  if (inspected.before) table += "<th scope=\"colgroup\" colspan=\"2\">before</th>";
  table += "<th scope=\"colgroup\" colspan=\"2\">after</th></tr>\n<tr>";
  for (int network = inspected.before ? 0 : 1; network < 2; ++network) {
    table += "<th scope=\"col\">training</th><th scope=\"col\">validation</th>";
  }
  text += framed("Linear probes", table + "</tr></thead>\n<tbody>\n" + rows + "</tbody>\n</table>\n");
  return text + fmt::format(
                    "<p class=\"note\">{} images to learn from, {} to measure on: those that {} held back "
                    "(fold {}).</p>\n",
                    images.train.size(), images.validation.size(), esc(inspected.model),
                    inspected.after.fold + 1);
}

std::string alignment_html(const Inspected& inspected, const std::vector<StageFeatures>& stages) {
  if (!inspected.before) return {};
  std::string table =
      "<table class=\"alignment\">\n<caption>Linear CKA: rows are stages before, columns after</caption>\n"
      "<thead><tr><th scope=\"col\">before</th>";
  for (const auto& stage : stages) table += fmt::format("<th scope=\"col\">{}</th>", esc(stage.stage));
  table += "</tr></thead>\n<tbody>\n";
  for (size_t i = 0; i < stages.size(); ++i) {
    table += fmt::format("<tr><th scope=\"row\">{}</th>", esc(stages[i].stage));
    for (size_t j = 0; j < stages.size(); ++j) {
      const bool same = i == j && stages[i].shared;
      const double value = same ? 1 : linear_cka(stages[i].before, stages[j].after);
      table += fmt::format("<td class=\"r{}{}\">{}</td>", std::clamp(int(value * 6) + 1, 1, 6),
                           i == j ? " same" : "", same ? "1" : fmt::format("{:.3f}", value));
    }
    table += "</tr>\n";
  }
  return framed("Linear CKA", table + "</tbody>\n</table>\n");
}

std::string plane_html(const Inspected& inspected, const InspectedImages& images, const StageFeatures& last) {
  return Plane(inspected, images, last).html();
}

}  // namespace signet::study
