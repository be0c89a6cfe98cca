#include "study/report_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <tuple>

#include "kernels/parallel.h"
#include "study/html.h"
#include "study/progress.h"
#include "study/report_curves.h"
#include "study/svg_canvas.h"

namespace signet::study {
namespace {

constexpr size_t kWorst = 12;
constexpr size_t kPairs = 10;
constexpr size_t kRightOfClass = 2;
constexpr size_t kMostListed = 2000;   ///< wrong answers of a model
constexpr int64_t kMostClasses = 100;  ///< of a matrix that can still be looked at

std::string esc(std::string_view text) {
  return escaped_for_xml(text);
}

bool surer(const Prediction* a, const Prediction* b) {
  return std::tuple(-a->probability, a->path) < std::tuple(-b->probability, b->path);
}

class Section {
 public:
  Section(const ReportRun& run, const ShownModel& shown, const ReportImages& images)
      : run_(run), shown_(shown), model_(*shown.model), classes_(shown.split->classes), images_(images) {}

  std::string html() const {
    std::string text = fmt::format(
        "<section class=\"model\" id=\"{0}\" aria-labelledby=\"{0}-h\">\n"
        "<h3 id=\"{0}-h\" tabindex=\"-1\">{1}, {2} split</h3>\n",
        shown_.id, esc(model_.name), esc(shown_.split->name));
    text += facts();
    text += "<h4>Learning curves</h4>\n" + curves_html(run_, model_);
    if (model_.predictions.empty()) {
      return text + "<p>The run stopped before this model's predictions were written.</p>\n</section>\n";
    }
    text += confusion() + pairs() + worst() + by_class() + answers();
    return text + "</section>\n";
  }

 private:
  const std::string& class_name(int64_t k) const { return classes_[size_t(k)]; }

  std::string facts() const {
    const std::string continues = run_.option(model_.name + ".continues");
    const std::string first = run_.option(model_.name + ".first_trainable");
    std::string text = "<p>";
    if (!run_.option(model_.name + ".architecture").empty()) {
      text += first.empty() ? "All weights were trained"
                            : fmt::format("Trained from {} on, the layers before it frozen", esc(first));
      if (!continues.empty()) text += fmt::format(", going on from {}", esc(continues));
      text += ". ";
    }
    std::set<int> folds;
    double seconds = 0;
    for (const auto& record : model_.epochs) {
      folds.insert(record.fold);
      seconds += record.seconds;
    }
    text += fmt::format("{} of {} fold{}, {} of training", folds.size(), shown_.split->fold_count(),
                        shown_.split->fold_count() == 1 ? "" : "s", duration_text(seconds));
    if (!model_.predictions.empty()) {
      text += fmt::format("; {} of {} validation images right ({})", model_.matrix.correct(),
                          model_.matrix.total(), percent(accuracy(model_.matrix)));
    }
    text += ".";
    if (std::isfinite(model_.summary.val_acc)) {
      text += " Folds: ";
      for (size_t i = 0; i < model_.summary.val_acc_folds.size(); ++i) {
        text += fmt::format("{}{}", i > 0 ? ", " : "", percent(model_.summary.val_acc_folds[i]));
      }
      text += ".";
    }
    return text + "</p>\n";
  }

  std::string confusion() const {
    std::string text = "<h4>Confusion matrix</h4>\n";
    if (model_.matrix.classes() > kMostClasses) {
      return text + fmt::format(
                        "<p>With {} classes the matrix would not be readable; it is in the run's "
                        "folder as a table.</p>\n",
                        model_.matrix.classes());
    }
    text += "<p class=\"script\">Choose a number to see the images behind it.</p>\n";
    const bool narrow =
        std::ranges::all_of(classes_, [](const std::string& name) { return name.size() <= 2; });
    std::string table = fmt::format(
        "<table class=\"confusion{}\">\n<caption>{}, {} split: rows are the true class, columns the "
        "predicted "
        "one</caption>\n<thead><tr><th scope=\"col\">true</th>",
        narrow ? "" : " wide", esc(model_.name), esc(shown_.split->name));
    for (const auto& name : classes_) {
      table += fmt::format("<th scope=\"col\"><span>{}</span></th>", esc(name));
    }
    table += "</tr></thead>\n<tbody>\n";
    for (int64_t row = 0; row < model_.matrix.classes(); ++row) {
      table += fmt::format("<tr><th scope=\"row\">{}</th>", esc(class_name(row)));
      for (int64_t column = 0; column < model_.matrix.classes(); ++column) table += cell(row, column);
      table += "</tr>\n";
    }
    return text + framed("Confusion matrix of " + model_.name, table + "</tbody>\n</table>\n");
  }

  std::string cell(int64_t row, int64_t column) const {
    const int64_t count = model_.matrix.at(row, column);
    if (count == 0) return "<td></td>";
    const double share = double(count) / double(model_.matrix.support(row));
    return fmt::format("<td class=\"{}{}\">{}</td>", row == column ? 'r' : 'w',
                       1 + std::min(5, int(share * 6)), button(row, column));
  }

  /// Opens the images of a cell.
  std::string button(int64_t row, int64_t column) const {
    const int64_t count = model_.matrix.at(row, column), support = model_.matrix.support(row);
    const std::string what =
        fmt::format("true {}, predicted {}: {} of {} ({})", esc(class_name(row)), esc(class_name(column)),
                    count, support, percent(double(count) / double(support)));
    return fmt::format("<button type=\"button\" data-c=\"{}-{}\" aria-label=\"{}\" title=\"{}\">{}</button>",
                       row, column, what, what, count);
  }

  std::string pairs() const {
    std::map<std::pair<int, int>, int64_t> counts;
    for (const auto& prediction : model_.predictions) {
      if (prediction.true_class != prediction.predicted_class) {
        ++counts[{prediction.true_class, prediction.predicted_class}];
      }
    }
    if (counts.empty()) return "<p>No image was taken for another class.</p>\n";
    std::vector<std::pair<std::pair<int, int>, int64_t>> order(counts.begin(), counts.end());
    std::ranges::stable_sort(order, std::greater(), [](const auto& pair) { return pair.second; });
    if (order.size() > kPairs) order.resize(kPairs);
    std::string text = "<h4>Classes taken for one another</h4>\n";
    std::string table =
        "<table>\n<caption>The most frequent mistakes</caption>\n<thead><tr><th scope=\"col\">True</th><th "
        "scope=\"col\">Taken for</th><th scope=\"col\">Images</th><th scope=\"col\">Of the true class</th>"
        "</tr></thead>\n<tbody>\n";
    for (const auto& [pair, count] : order) {
      table += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                           esc(class_name(pair.first)), esc(class_name(pair.second)),
                           button(pair.first, pair.second),
                           percent(double(count) / double(model_.matrix.support(pair.first))));
    }
    return text + framed("Frequent mistakes of " + model_.name, table + "</tbody>\n</table>\n");
  }

  std::string file(const std::string& path) const {
    const std::string address = images_.address(path);
    return address.empty() ? esc(path) : fmt::format("<a href=\"{}\">{}</a>", address, esc(path));
  }

  std::string worst() const {
    if (shown_.worst.empty()) return {};
    std::string text =
        "<h4>Worst errors</h4>\n<p>The wrong answers that the network was surest of. Beside each is the "
        "image "
        "of its fold's training part that looks most like it: the smallest root mean square difference of "
        "32×32 colour pixels, on a scale from 0 to 1. Up to 0.06 it counts as a near-twin.</p>\n<ul "
        "class=\"errors\">\n";
    for (const auto& error : shown_.worst) {
      const Prediction& prediction = *error.prediction;
      const std::string& truth = class_name(prediction.true_class);
      const std::string& answer = class_name(prediction.predicted_class);
      text += fmt::format(
          "<li>\n<div class=\"pair\">\n<figure>{}<figcaption><strong>{}</strong> taken for "
          "<strong>{}</strong>, {} sure<span class=\"file\">{}</span></figcaption></figure>\n",
          images_.thumbnail(prediction.path, fmt::format("Image of {}, taken for {}", truth, answer)),
          esc(truth), esc(answer), percent(prediction.probability), file(prediction.path));
      if (error.nearest) {
        text += fmt::format(
            "<figure>{}<figcaption>nearest in training: <strong>{}</strong>, distance {:.3f}<span "
            "class=\"file\">{}</span></figcaption></figure>\n",
            images_.thumbnail(error.nearest->path,
                              fmt::format("Nearest training image, of {}", error.nearest->label)),
            esc(error.nearest->label), error.nearest->distance, file(error.nearest->path));
      }
      text += "</div>\n</li>\n";
    }
    return text + "</ul>\n";
  }

  std::string class_row(const std::string& name, const ClassScores& scores, const std::string& last) const {
    return fmt::format(
        "<tr><th "
        "scope=\"row\">{}</th><td>{:.3f}</td><td>{:.3f}</td><td>{:.3f}</td><td>{}</td><td>{}</td></tr>\n",
        esc(name), scores.precision, scores.recall, scores.f1, scores.support, last);
  }

  std::string taken_for(int64_t row) const {
    int64_t most = -1;
    for (int64_t column = 0; column < model_.matrix.classes(); ++column) {
      if (column == row || model_.matrix.at(row, column) == 0) continue;
      if (most < 0 || model_.matrix.at(row, column) > model_.matrix.at(row, most)) most = column;
    }
    return most < 0 ? "" : fmt::format("{} ({})", esc(class_name(most)), model_.matrix.at(row, most));
  }

  std::string by_class() const {
    std::string table =
        "<table class=\"classes\">\n<caption>Out-of-fold predictions of all folds together</caption>\n"
        "<thead><tr><th scope=\"col\">Class</th><th scope=\"col\">Precision</th><th "
        "scope=\"col\">Recall</th><th scope=\"col\">F1</th><th scope=\"col\">Support</th><th "
        "scope=\"col\">Mostly taken for</th></tr></thead>\n<tbody>\n";
    for (int64_t k = 0; k < model_.matrix.classes(); ++k) {
      table += class_row(class_name(k), class_scores(model_.matrix, k), taken_for(k));
    }
    table += "</tbody>\n<tbody class=\"averages\">\n";
    table += class_row("macro average", average(model_.matrix, Average::macro, Over::all), "");
    table += class_row("weighted average", average(model_.matrix, Average::weighted, Over::all), "");
    return "<h4>By class</h4>\n" +
           framed("Figures by class of " + model_.name, table + "</tbody>\n</table>\n");
  }

  std::string answer_rows(const std::vector<const Prediction*>& predictions) const {
    std::string text;
    for (const Prediction* p : predictions) {
      text += fmt::format(
          "<tr data-c=\"{}-{}\" data-i=\"{}\"><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
          p->true_class, p->predicted_class, images_.number(p->path), esc(class_name(p->true_class)),
          esc(class_name(p->predicted_class)), percent(p->probability), p->fold + 1, file(p->path));
    }
    return text;
  }

  std::string answers() const {
    std::string summary = fmt::format("All {} wrong answers, and some right ones", shown_.wrong_count);
    if (shown_.wrong_count > int64_t(shown_.wrong.size())) {
      summary = fmt::format("The {} surest of {} wrong answers, and some right ones", shown_.wrong.size(),
                            shown_.wrong_count);
    }
    const std::string table = fmt::format(
        "<table class=\"answers\">\n<caption>{}</caption>\n<thead><tr><th scope=\"col\">True</th><th "
        "scope=\"col\">Predicted</th><th scope=\"col\">Sure</th><th scope=\"col\">Fold</th><th "
        "scope=\"col\">File</th></tr></thead>\n<tbody>\n{}</tbody>\n<tbody>\n{}</tbody>\n</table>\n",
        summary, answer_rows(shown_.wrong), answer_rows(shown_.right));
    return fmt::format("<details>\n<summary>{}</summary>\n{}</details>\n", summary,
                       framed("Answers of " + model_.name, table));
  }

  const ReportRun& run_;
  const ShownModel& shown_;
  const ReportModel& model_;
  const std::vector<std::string>& classes_;
  const ReportImages& images_;
};

}  // namespace

ShownModel choose(const ReportSplit& split, const ReportModel& model, std::string id,
                  const ReportImages& images) {
  ShownModel shown{&split, &model, std::move(id), {}, {}, {}, 0};
  for (const auto& prediction : model.predictions) {
    if (prediction.true_class != prediction.predicted_class) shown.wrong.push_back(&prediction);
  }
  shown.wrong_count = int64_t(shown.wrong.size());
  std::ranges::sort(shown.wrong, surer);
  if (shown.wrong.size() > kMostListed) shown.wrong.resize(kMostListed);
  for (size_t i = 0; i < std::min(kWorst, shown.wrong.size()); ++i)
    shown.worst.push_back({shown.wrong[i], {}});
  parallel_for(int64_t(shown.worst.size()), [&](int64_t i) {
    WorstError& error = shown.worst[size_t(i)];
    error.nearest = images.nearest(split, error.prediction->path, error.prediction->fold);
  });
  std::ranges::stable_sort(shown.wrong, {},
                           [](const Prediction* p) { return std::pair(p->true_class, p->predicted_class); });
  return shown;
}

void choose_right(ShownModel& shown, const std::set<std::string>& wanted) {
  std::map<int, std::vector<const Prediction*>> of_class;
  for (const auto& prediction : shown.model->predictions) {
    if (prediction.true_class == prediction.predicted_class) {
      of_class[prediction.true_class].push_back(&prediction);
    }
  }
  for (auto& [label, predictions] : of_class) {
    std::stable_partition(predictions.begin(), predictions.end(),
                          [&](const Prediction* p) { return wanted.contains(p->path); });
    predictions.resize(std::min(predictions.size(), kRightOfClass));
    shown.right.insert(shown.right.end(), predictions.begin(), predictions.end());
  }
}

std::string model_html(const ReportRun& run, const ShownModel& shown, const ReportImages& images) {
  return Section(run, shown, images).html();
}

}  // namespace signet::study
