#include "study/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "data/leakage.h"
#include "study/html.h"
#include "study/progress.h"
#include "study/report_assets.h"
#include "study/report_images.h"
#include "study/report_model.h"
#include "study/report_run.h"
#include "study/run_images.h"
#include "study/svg_canvas.h"
#include "study/table.h"
#include "tensor/error.h"
#include "tensor/files.h"

namespace signet::study {
namespace fs = std::filesystem;
namespace {

constexpr size_t kExamples = 2;  ///< images of a class in the gallery

std::string esc(std::string_view text) {
  return escaped_for_xml(text);
}

std::string split_in_words(const std::string& split) {
  if (split == "random") return "stratified folds, drawn at random";
  if (split == "group") return "the takes of one person and light stay together";
  return "each fold validates on a person of whom nothing was trained on";
}

/// Whether this is the data set of the original study, going by its classes and size.
bool is_original_data(const ReportSplit& split) {
  constexpr size_t kImages = 2515;
  std::string names;
  for (const auto& name : split.classes) names += name.size() == 1 ? name : "?";
  return split.rows.size() == kImages && names == "0123456789abcdefghijklmnopqrstuvwxyz";
}

class Page {
 public:
  Page(const ReportRun& run, const data::ImageStore* store, const ReportOptions& options)
      : run_(run), options_(options), images_(store, run.folder) {
    name_ = fs::absolute(run.folder).lexically_normal().filename().string();
    if (name_.empty()) name_ = fs::absolute(run.folder).lexically_normal().parent_path().filename().string();
    choose_all();
  }

  std::string html() const {
    const std::string title = fmt::format("{}: {}", run_.option("verb"), name_);
    std::string body = header(title) + "<main id=\"main\">\n" + notices() + comparison() + side_by_side() +
                       gallery() + models() + about() + "</main>\n";
    body += fmt::format(
        "<footer><p>Written by signet {}. Nothing in this page is loaded from elsewhere.</p></footer>\n",
        SIGNET_VERSION);
    body +=
        "<dialog id=\"viewer\" aria-labelledby=\"viewer-title\">\n<form method=\"dialog\"><h2 "
        "id=\"viewer-title\">Images</h2><button>Close</button></form>\n<p "
        "id=\"viewer-note\"></p>\n<ul id=\"viewer-list\"></ul>\n</dialog>\n";
    return html_page(
        {title, std::string(report_style()), std::string(report_script()), body + images_.sprites()});
  }

 private:
  /// What is shown, in the order of its importance: if not all pictures fit, the last ones are left out.
  void choose_all() {
    std::set<std::string> wanted;
    const auto want = [&](const std::string& path) {
      images_.want(path);
      wanted.insert(path);
    };
    for (size_t s = 0; s < run_.splits.size(); ++s) {
      for (size_t m = 0; m < run_.splits[s].models.size(); ++m) {
        shown_.push_back(
            choose(run_.splits[s], run_.splits[s].models[m], fmt::format("m{}-{}", s, m), images_));
        for (const auto& error : shown_.back().worst) {
          want(error.prediction->path);
          if (error.nearest) want(error.nearest->path);
        }
      }
    }
    choose_examples();
    for (const auto& [label, rows] : examples_) {
      for (const auto* row : rows) want(row->path);
    }
    for (const auto& shown : shown_) {
      for (const auto* prediction : shown.wrong) want(prediction->path);
    }
    for (auto& shown : shown_) {
      choose_right(shown, wanted);
      for (const auto* prediction : shown.right) want(prediction->path);
    }
    images_.draw();
  }

  /// Of each class the first images of different signers, or simply the first ones.
  void choose_examples() {
    for (const auto& row : run_.splits[0].rows) {
      auto& examples = examples_[row.label];
      const bool other_signer =
          std::ranges::none_of(examples, [&](const auto* other) { return other->signer == row.signer; });
      if (examples.size() < kExamples && other_signer) examples.push_back(&row);
    }
    for (const auto& row : run_.splits[0].rows) {
      auto& examples = examples_[row.label];
      if (examples.size() < kExamples && examples.front() != &row) examples.push_back(&row);
    }
  }

  std::string header(const std::string& title) const {
    const ReportSplit& split = run_.splits[0];
    std::string text = fmt::format("<header>\n<h1>{}</h1>\n<p>{} images of {} classes; ", esc(title),
                                   split.rows.size(), split.classes.size());
    for (size_t s = 0; s < run_.splits.size(); ++s) {
      const auto& each = run_.splits[s];
      text += fmt::format("{}{} split, {} fold{}", s > 0 ? "; " : "", esc(each.name), each.fold_count(),
                          each.fold_count() == 1 ? "" : "s");
      const ReportModel* best = nullptr;
      for (const auto& model : each.models) {
        if (!std::isfinite(model.summary.val_acc)) continue;
        if (best == nullptr || model.summary.val_acc > best->summary.val_acc) best = &model;
      }
      if (best != nullptr) {
        text += fmt::format(": best validation accuracy {} (<strong>{}</strong>)",
                            percent(best->summary.val_acc), esc(best->name));
      }
    }
    text += fmt::format(".</p>\n<nav aria-label=\"Parts of the page\"><ul>{}",
                        "<li><a href=\"#comparison\">Comparison</a></li>"
                        "<li><a href=\"#splits\">Splits</a></li>");
    if (!images_.missing()) text += "<li><a href=\"#gallery\">Classes</a></li>";
    return text +
           "<li><a href=\"#models\">Models</a></li><li><a href=\"#about\">What was run</a></li></ul></nav>\n"
           "</header>\n";
  }

  std::string notices() const {
    std::string text;
    if (!run_.finished) {
      text +=
          "<p class=\"notice\">This run is not finished: the page shows what it had written so far. "
          "<code>--resume</code> goes on with it.</p>\n";
    }
    if (!options_.notice.empty()) text += fmt::format("<p class=\"notice\">{}</p>\n", esc(options_.notice));
    if (images_.left_out() > 0) {
      text += fmt::format(
          "<p class=\"notice\">{} pictures were left out to keep the page small; their files are named "
          "instead.</p>\n",
          images_.left_out());
    }
    return text;
  }

  // --------------------------------------------------------------------------------------------- comparison

  static std::string row_html(const TableRow& row, const std::string& link) {
    std::string text = "<tr><th scope=\"row\">";
    text += link.empty() ? esc(row[0]) : fmt::format("<a href=\"#{}\">{}</a>", link, esc(row[0]));
    text += "</th>";
    for (size_t k = 1; k < row.size(); ++k) text += fmt::format("<td>{}</td>", esc(row[k]));
    return text + "</tr>\n";
  }

  std::string comparison() const {
    std::string text = "<section id=\"comparison\">\n<h2>Comparison</h2>\n";
    for (const auto& split : run_.splits) {
      const bool original = split.name == "random" && (options_.original || is_original_data(split));
      std::string table =
          fmt::format("<table class=\"comparison\">\n<caption>{} split: {}</caption>\n<thead><tr>",
                      esc(split.name), split_in_words(split.name));
      for (const auto& heading : table_headings()) table += fmt::format("<th scope=\"col\">{}</th>", heading);
      table += "</tr></thead>\n<tbody>\n";
      for (const auto& shown : shown_) {
        if (shown.split == &split) table += row_html(table_row(shown.model->summary), shown.id);
      }
      table += "</tbody>\n";
      if (original) {
        table += fmt::format("<tbody>\n<tr><th scope=\"rowgroup\" colspan=\"{}\">{}</th></tr>\n",
                             table_headings().size(), kOriginalTitle);
        for (const auto& row : original_rows()) table += row_html(row, "");
        table += "</tbody>\n";
      }
      text += framed(split.name + " split: comparison", table + "</table>\n");
    }
    return text +
           "<p class=\"note\">Accuracies in percent, ± the sample standard deviation over the folds. "
           "Precision, "
           "recall and F1 are macro averages on the validation images. Loss is cross-entropy, mean per "
           "image; "
           "Σ is the sum of the batches’ means. Training figures are taken while the weights change, on "
           "varied "
           "images.</p>\n</section>\n";
  }

  // ----------------------------------------------------------------------------------------------- splits

  std::string leakage(const ReportSplit& split) const {
    std::string text = fmt::format("<p><strong>{} split:</strong> ", esc(split.name));
    const bool known = std::isfinite(split.near_twin_share);
    text += known
                ? fmt::format("{} of the validation images have a near-twin in training",
                              percent(split.near_twin_share))
                : std::string("how many validation images have a near-twin in training was not written yet");
    if (split.names_tell) {
      text +=
          fmt::format(", {} another take of the same class, person and light", percent(split.sibling_share));
    }
    const bool leaks = std::max(known ? split.near_twin_share : 0, split.sibling_share) > 0.5;
    return text + (leaks ? ". Its accuracies are partly memory.</p>\n" : ".</p>\n");
  }

  const ReportModel* find(const ReportSplit& split, const std::string& name) const {
    const auto found = std::ranges::find(split.models, name, &ReportModel::name);
    return found == split.models.end() ? nullptr : &*found;
  }

  /// The models of all splits, each once.
  std::vector<std::string> model_names() const {
    std::vector<std::string> names;
    for (const auto& split : run_.splits) {
      for (const auto& model : split.models) {
        if (std::ranges::find(names, model.name) == names.end()) names.push_back(model.name);
      }
    }
    return names;
  }

  std::string side_by_side() const {
    std::string text = "<section id=\"splits\">\n<h2>The splits side by side</h2>\n";
    for (const auto& split : run_.splits) text += leakage(split);
    if (run_.splits.size() < 2) {
      return text +
             "<p>Only this split was run. <code>--split random,signer</code> sets the accuracy on random "
             "folds "
             "beside that on people of whom nothing was trained on (<code>group</code> keeps takes "
             "together).</p>\n</section>\n";
    }
    std::string table =
        "<table>\n<caption>Validation accuracy under each split</caption>\n<thead><tr><th "
        "scope=\"col\">Model</th>";
    for (const auto& split : run_.splits) table += fmt::format("<th scope=\"col\">{}</th>", esc(split.name));
    const auto& first = run_.splits.front();
    const auto& last = run_.splits.back();
    table += fmt::format("<th scope=\"col\">{} − {}</th></tr></thead>\n<tbody>\n", esc(last.name),
                         esc(first.name));
    for (const auto& name : model_names()) {
      table += fmt::format("<tr><th scope=\"row\">{}</th>", esc(name));
      for (const auto& split : run_.splits) {
        const ReportModel* model = find(split, name);
        table += fmt::format("<td>{}</td>", model == nullptr ? "–" : esc(table_row(model->summary)[2]));
      }
      const ReportModel *before = find(first, name), *after = find(last, name);
      const double points = before == nullptr || after == nullptr
                                ? Scores::kNone
                                : 100 * (after->summary.val_acc - before->summary.val_acc);
      table += fmt::format(
          "<td>{}</td></tr>\n",
          std::isfinite(points) ? fmt::format("{}{:.2f}", points < 0 ? "−" : "+", std::abs(points)) : "–");
    }
    return text + framed("Validation accuracy under each split", table + "</tbody>\n</table>\n") +
           "</section>\n";
  }

  // ---------------------------------------------------------------------------------------------- classes

  std::string gallery() const {
    if (images_.missing()) return {};
    std::string text = "<section id=\"gallery\">\n<h2>Classes</h2>\n<ul class=\"gallery\">\n";
    std::map<std::string, int64_t> counts;
    for (const auto& row : run_.splits[0].rows) ++counts[row.label];
    for (const auto& label : run_.splits[0].classes) {
      text += "<li><div class=\"pair\">";
      for (const auto* row : examples_.at(label)) {
        text += images_.thumbnail(row->path, fmt::format("Image of {}", label));
      }
      text += fmt::format("</div><strong>{}</strong> <span class=\"count\">{}</span></li>\n", esc(label),
                          counts[label]);
    }
    return text +
           "</ul>\n<p class=\"note\">With the number of images. Pictures are drawn to a square, as the "
           "networks see them.</p>\n</section>\n";
  }

  // ----------------------------------------------------------------------------------------------- models

  std::string models() const {
    std::string text = "<section id=\"models\">\n<h2>Models</h2>\n";
    if (shown_.empty()) return text + "<p>No epoch was finished.</p>\n</section>\n";
    text += "<nav class=\"chooser\" aria-label=\"Models\">\n";
    for (const auto& split : run_.splits) {
      text += fmt::format("<div><span>{} split</span><ul>", esc(split.name));
      for (const auto& shown : shown_) {
        if (shown.split != &split) continue;
        text += fmt::format("<li><a href=\"#{}\">{}</a></li>", shown.id, esc(shown.model->name));
      }
      text += "</ul></div>\n";
    }
    text += "</nav>\n";
    for (const auto& shown : shown_) text += model_html(run_, shown, images_);
    return text + "</section>\n";
  }

  // ------------------------------------------------------------------------------------------------ about

  std::string about() const {
    std::string text = "<section id=\"about\">\n<h2>What was run, and on what</h2>\n";
    std::string cost =
        "<table>\n<caption>Time and memory</caption>\n<thead><tr><th scope=\"col\">Split</th><th "
        "scope=\"col\">Training</th><th scope=\"col\">Greatest memory</th></tr></thead>\n<tbody>\n";
    for (const auto& split : run_.splits) {
      cost +=
          fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n", esc(split.name),
                      std::isfinite(split.seconds) ? duration_text(split.seconds) : "–",
                      std::isfinite(split.peak_rss_mb) ? fmt::format("{:.0f} MiB", split.peak_rss_mb) : "–");
    }
    text +=
        framed("Time and memory", cost + "</tbody>\n</table>\n") + run_options() + model_options() + files();
    return text + "</section>\n";
  }

  std::string run_options() const {
    std::string table =
        "<table class=\"options\">\n<caption>Options and circumstances (args.json)</caption>\n<thead><tr><th "
        "scope=\"col\">Option</th><th scope=\"col\">Value</th></tr></thead>\n<tbody>\n";
    for (const auto& [name, value] : run_.args) {
      if (name.find('.') != name.npos) continue;
      const std::string shown = argument_text(value);
      table += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", esc(name),
                           shown.empty() ? "–" : esc(shown));
    }
    return framed("Options of the run", table + "</tbody>\n</table>\n");
  }

  /// An option a row, a model a column.
  std::string model_options() const {
    std::vector<std::string> models, options;
    std::map<std::pair<std::string, std::string>, std::string> values;
    const auto add = [](std::vector<std::string>& names, const std::string& name) {
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    };
    for (const auto& [name, value] : run_.args) {
      const size_t dot = name.rfind('.');
      if (dot == name.npos) continue;
      add(models, name.substr(0, dot));
      add(options, name.substr(dot + 1));
      values[{name.substr(0, dot), name.substr(dot + 1)}] = argument_text(value);
    }
    if (models.empty()) return {};
    std::string table =
        "<table class=\"options\">\n<caption>Options of the models</caption>\n<thead><tr><th "
        "scope=\"col\">Option</th>";
    for (const auto& model : models) table += fmt::format("<th scope=\"col\">{}</th>", esc(model));
    table += "</tr></thead>\n<tbody>\n";
    for (const auto& option : options) {
      table += fmt::format("<tr><th scope=\"row\">{}</th>", esc(option));
      for (const auto& model : models) {
        const std::string& value = values[{model, option}];
        table += fmt::format("<td>{}</td>", value.empty() ? "–" : esc(value));
      }
      table += "</tr>\n";
    }
    return framed("Options of the models", table + "</tbody>\n</table>\n");
  }

  std::string files() const {
    std::string text = "<h3>Files of the run</h3>\n<ul class=\"files\">\n";
    for (const auto& split : run_.splits) {
      std::vector<std::string> names{"args.json", "splits.csv", "results.csv", "predictions.csv",
                                     "summary.json"};
      for (const auto& model : split.models) {
        for (const auto& [before, after] :
             {std::pair("confusion_", ".csv"), std::pair("confusion_", ".svg"), std::pair("curves_", ".svg"),
              std::pair("classification_report_", ".txt"), std::pair("weights/", "-best.safetensors"),
              std::pair("weights/", "-last.safetensors")}) {
          names.push_back(before + model.name + after);
        }
      }
      for (const auto& name : names) {
        if (!fs::exists(split.folder / name)) continue;
        text += fmt::format("<li><a href=\"{}\">{}</a></li>\n", url_of(split.prefix + name),
                            esc(split.prefix + name));
      }
    }
    return text + "</ul>\n";
  }

  const ReportRun& run_;
  const ReportOptions& options_;
  ReportImages images_;
  std::string name_;
  std::map<std::string, std::vector<const SplitRow*>> examples_;  ///< by class
  std::vector<ShownModel> shown_;
};

}  // namespace

fs::path write_report(const fs::path& folder, const data::ImageStore* images, const ReportOptions& options) {
  const ReportRun run = read_report_run(folder);
  const fs::path page = RunFolder::existing(folder).report();
  write_atomically(page, Page(run, images, options).html());
  return page;
}

ReportOutcome rebuild_report(const fs::path& folder, const fs::path& data, bool original) {
  const Args args = RunFolder::existing(folder).read_args();
  ReportOptions options;
  options.original = original;
  const RunImages images = open_run_images(args, data, {data::kNearTwinSpec, ReportImages::kSpec});
  options.notice = images.notice;
  if (!images.store) {
    options.notice = fmt::format(
        "The page has no pictures: {}. Write it again with signet report RUN --data FOLDER.", images.notice);
  }
  return {write_report(folder, images.store ? &*images.store : nullptr, options), options.notice};
}

}  // namespace signet::study
