#include "study/report_run.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "study/csv.h"
#include "tensor/error.h"

namespace signet::study {
namespace fs = std::filesystem;
namespace {

/// The classes in the data set's order, in which the rows come.
std::vector<std::string> classes_of(const std::vector<SplitRow>& rows) {
  std::vector<std::string> classes;
  for (const auto& row : rows) {
    if (!classes.empty() && classes.back() == row.label) continue;
    if (std::ranges::find(classes, row.label) == classes.end()) classes.push_back(row.label);
  }
  return classes;
}

void count_siblings(ReportSplit& split) {
  std::map<std::tuple<std::string, std::string, std::string>, std::set<int>> folds;
  for (const auto& row : split.rows) folds[{row.label, row.signer, row.light}].insert(row.fold);
  double validated = 0, siblings = 0;
  for (const auto& row : split.rows) {
    if (row.fold < 0) continue;
    ++validated;
    if (row.signer.empty() || row.light.empty()) continue;
    split.names_tell = true;
    siblings += folds[{row.label, row.signer, row.light}].size() > 1;
  }
  split.sibling_share = validated > 0 ? siblings / validated : 0;
}

ReportModel& model_named(ReportSplit& split, const std::string& name) {
  const auto found = std::ranges::find(split.models, name, &ReportModel::name);
  if (found != split.models.end()) return *found;
  ReportModel& model = split.models.emplace_back();
  model.name = model.summary.model = name;
  return model;
}

/// A record that cannot be read is no reason to go without a report.
std::optional<ModelResult> record_if_readable(const RunFolder& run, const std::string& model) {
  try {
    return run.read_record(model);
  } catch (const Error&) {
    return std::nullopt;
  }
}

ReportSplit read_split(const RunFolder& run, const std::string& prefix) {
  ReportSplit split;
  split.folder = run.path();
  split.prefix = prefix;
  split.rows = run.read_splits();
  split.classes = classes_of(split.rows);
  if (split.classes.empty()) fail("{}: lists no image", run.file("splits.csv").string());
  count_siblings(split);
  if (fs::exists(run.file("results.csv"))) {
    for (auto& record : run.read_results()) model_named(split, record.model).epochs.push_back(record);
  }
  if (fs::exists(run.file("predictions.csv"))) {
    for (auto& prediction : run.read_predictions(split.classes)) {
      model_named(split, prediction.model).predictions.push_back(prediction);
    }
  }
  if (fs::exists(run.file("summary.json"))) {
    const StudySummary summary = run.read_summary();
    split.name = summary.split;
    split.near_twin_share = summary.near_twin_share;
    split.seconds = summary.seconds;
    split.peak_rss_mb = summary.peak_rss_mb;
    for (const auto& model : summary.models) model_named(split, model.model).summary = model;
  }
  for (auto& model : split.models) {
    model.matrix = confusion_of(model.predictions, int64_t(split.classes.size()));
    // The table of epochs lacks some training figures; the record that --resume reads has them.
    auto record = record_if_readable(run, model.name);
    if (!record || record->epochs.size() < model.epochs.size()) continue;
    model.epochs = std::move(record->epochs);
    model.outcomes = std::move(record->outcomes);
  }
  return split;
}

}  // namespace

std::string argument_text(const ArgValue& value) {
  return std::visit(
      [](const auto& held) -> std::string {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, bool>) {
          return held ? "yes" : "no";
        } else if constexpr (std::is_same_v<Held, double>) {
          return number_text(held);
        } else if constexpr (std::is_same_v<Held, std::vector<std::string>>) {
          return fmt::format("{}", fmt::join(held, ", "));
        } else {
          return fmt::format("{}", held);
        }
      },
      value);
}

int ReportSplit::fold_count() const {
  int most = -1;
  for (const auto& row : rows) most = std::max(most, row.fold);
  return most + 1;
}

std::string ReportRun::option(const std::string& name) const {
  const auto found = std::ranges::find(args, name, [](const auto& arg) { return arg.first; });
  return found == args.end() ? "" : argument_text(found->second);
}

int ReportRun::kept_epoch(const ReportModel& model, int fold) const {
  for (const auto& outcome : model.outcomes) {
    if (outcome.fold == fold) return outcome.best_epoch;
  }
  const EpochRecord* kept = nullptr;
  const bool best = option(model.name + ".keep") == "best";
  for (const auto& record : model.epochs) {
    if (record.fold != fold) continue;
    if (kept == nullptr || !best || record.validation.loss < kept->validation.loss) kept = &record;
  }
  return kept == nullptr ? -1 : kept->epoch;
}

ReportRun read_report_run(const fs::path& folder) {
  const RunFolder main = RunFolder::existing(folder);
  ReportRun run;
  run.folder = folder;
  run.args = main.read_args();
  if (!fs::exists(main.file("splits.csv"))) {
    fail("{}: was stopped before it had cut the data into folds; there is nothing to report yet",
         folder.string());
  }
  run.splits.push_back(read_split(main, ""));
  std::vector<std::string> asked{"random"};
  for (const auto& [name, value] : run.args) {
    if (const auto* names = std::get_if<std::vector<std::string>>(&value); name == "split" && names) {
      asked = *names;
    }
  }
  if (run.splits[0].name.empty()) run.splits[0].name = asked.empty() ? "random" : asked.front();
  // The folder of a further split has the same args.json, but none below it.
  const bool is_first = !asked.empty() && run.splits[0].name == asked.front();
  for (size_t i = 1; is_first && i < asked.size(); ++i) {
    const fs::path below = folder / asked[i];
    if (!fs::exists(below / "splits.csv") || !fs::exists(below / "args.json")) {
      run.finished = false;
      continue;
    }
    run.splits.push_back(read_split(RunFolder::existing(below), asked[i] + "/"));
    if (run.splits.back().name.empty()) run.splits.back().name = asked[i];
  }
  std::set<std::string> planned;
  for (const auto& [name, value] : run.args) {
    constexpr std::string_view kSuffix = ".architecture";
    if (name.ends_with(kSuffix)) planned.insert(name.substr(0, name.size() - kSuffix.size()));
  }
  for (const auto& split : run.splits) {
    for (const auto& name : planned) {
      const auto found = std::ranges::find(split.models, name, &ReportModel::name);
      const bool done = found != split.models.end() && std::isfinite(found->summary.val_acc);
      run.finished = run.finished && done;
    }
  }
  return run;
}

}  // namespace signet::study
