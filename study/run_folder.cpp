#include "study/run_folder.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>
#include <string_view>
#include <system_error>

#include "models/safetensors.h"
#include "study/classification_report.h"
#include "study/csv.h"
#include "study/svg_confusion.h"
#include "study/svg_curves.h"
#include "tensor/error.h"
#include "tensor/files.h"

namespace signet::study {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kElsewhere = "choose another place with --output";

void make_folders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    fail("{}: the run's folder cannot be made: {}; {}", folder.string(), error.message(), kElsewhere);
}

/// The number after `stem` in a folder's name; 0 if the name is not the stem and a number.
int64_t number_after(const std::string& stem, const std::string& name) {
  constexpr size_t kMostDigits = 15;
  if (!name.starts_with(stem)) return 0;
  const std::string digits = name.substr(stem.size());
  const bool all_digits = std::ranges::all_of(digits, [](unsigned char c) { return std::isdigit(c) != 0; });
  return digits.empty() || digits.size() > kMostDigits || !all_digits ? 0 : std::stoll(digits);
}

int64_t greatest_number(const fs::path& folder, const std::string& stem) {
  int64_t greatest = 0;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    greatest = std::max(greatest, number_after(stem, entry->path().filename().string()));
  }
  if (error) fail("{}: cannot be listed: {}; {}", folder.string(), error.message(), kElsewhere);
  return greatest;
}

int whole_from_text(const std::string& text, const std::string& source, const char* what, int least) {
  const double value = number_from_text(text, source);
  if (!(value >= least && value < 1e6 && value == std::floor(value))) {
    fail("{}: \"{}\" is not the number of {}", source, text, what);
  }
  return int(value);
}

/// -1 is the fold of images that are only trained on.
int fold_from_text(const std::string& text, const std::string& source) {
  return whole_from_text(text, source, "a fold", -1);
}

/// A table's cells by the names of their columns.
class Columns {
 public:
  Columns(const CsvTable& table, std::string source) : table_(table), source_(std::move(source)) {}

  const std::string& text(const std::vector<std::string>& row, std::string_view name) const {
    return row[table_.column(name, source_)];
  }
  double number(const std::vector<std::string>& row, std::string_view name) const {
    return number_from_text(text(row, name), source_);
  }
  int whole(const std::vector<std::string>& row, const char* name) const {
    return whole_from_text(text(row, name), source_, name, 0);
  }

 private:
  const CsvTable& table_;
  std::string source_;
};

const std::string& class_name(std::span<const std::string> classes, int index) {
  if (index < 0 || size_t(index) >= classes.size()) {
    throw std::invalid_argument(
        fmt::format("[RunFolder] class {} does not lie within {} classes", index, classes.size()));
  }
  return classes[size_t(index)];
}

std::string confusion_csv(const ConfusionMatrix& matrix, std::span<const std::string> classes) {
  std::vector<std::string> columns = {"true"};
  columns.insert(columns.end(), classes.begin(), classes.end());
  CsvWriter csv(columns);
  for (int64_t row = 0; row < matrix.classes(); ++row) {
    csv.cell(classes[size_t(row)]);
    for (int64_t column = 0; column < matrix.classes(); ++column) csv.cell(matrix.at(row, column));
    csv.end_row();
  }
  return csv.text();
}

/// Empty if no epoch measured its tensors.
std::string drift_csv(std::span<const EpochRecord> epochs) {
  CsvWriter csv(
      {"fold", "epoch", "tensor", "norm", "start_norm", "distance", "gradient_norm", "update_norm"});
  bool any = false;
  for (const auto& epoch : epochs) {
    for (const auto& t : epoch.tensors) {
      csv.row(epoch.fold, epoch.epoch, t.tensor, t.norm, t.start_norm, t.distance, t.gradient_norm,
              t.update_norm);
      any = true;
    }
  }
  return any ? csv.text() : "";
}

/// What a run that was killed in its very first moment leaves.
bool is_begun_args(const fs::path& path) {
  return is_unfinished(path) && path.filename().string().starts_with("args.json.");
}

}  // namespace

RunFolder RunFolder::numbered(const fs::path& parent, const std::string& verb, const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find_first_of(std::string("/\0", 2)) != name.npos) {
    fail("\"{}\" cannot name a run: it has to be a plain folder name without slashes", name);
  }
  const fs::path folder = parent / verb;
  make_folders(folder);
  const std::string stem = std::isdigit(static_cast<unsigned char>(name.back())) ? name + "-" : name;
  for (int64_t number = greatest_number(folder, stem) + 1;; ++number) {
    // mkdir itself decides who gets the number: it succeeds for one caller only.
    fs::path path = folder / fmt::format("{}{}", stem, number);
    if (::mkdir(path.c_str(), 0777) == 0) return RunFolder(std::move(path));
    if (errno != EEXIST) {
      fail("{}: the run's folder cannot be made: {}; {}", path.string(), std::strerror(errno), kElsewhere);
    }
  }
}

void RunFolder::require_usable(const fs::path& folder, bool resume) {
  const std::string name = folder.string();
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error)) {
    fail("{}: is a file, so no run can be written there; {}", name, kElsewhere);
  }
  if (resume && !fs::exists(folder / "args.json", error)) {
    fail("{}: holds no run to resume (there is no args.json); start one by leaving --resume out", name);
  }
  fs::path existing = fs::absolute(folder, error);
  while (!fs::exists(existing, error) && existing.has_relative_path()) existing = existing.parent_path();
  if (!fs::is_directory(existing, error)) {
    fail("{}: cannot be made, because {} is a file; {}", name, existing.string(), kElsewhere);
  }
  if (::access(existing.c_str(), W_OK | X_OK) != 0) {
    fail("{}: cannot be written in: {}; {}", name, std::strerror(errno), kElsewhere);
  }
  if (!fs::exists(folder, error)) return;
  const bool empty = std::ranges::all_of(fs::directory_iterator(folder, error), is_begun_args);
  if (error) fail("{}: cannot be listed: {}; {}", name, error.message(), kElsewhere);
  if (!resume && !empty) {
    fail("{}: is not empty; {}, or continue the run that is there with --resume", name, kElsewhere);
  }
}

RunFolder RunFolder::named(const fs::path& folder, bool resume) {
  require_usable(folder, resume);
  make_folders(folder);
  std::vector<fs::path> unfinished;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (is_unfinished(entry.path())) unfinished.push_back(entry.path());
  }
  for (const auto& path : unfinished) fs::remove(path);
  return RunFolder(folder);
}

RunFolder RunFolder::existing(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder / "args.json", error)) {
    fail("{}: holds no run (there is no args.json); name a folder that study, cv, train or finetune wrote",
         folder.string());
  }
  return RunFolder(folder);
}

fs::path RunFolder::weights(const std::string& model, const std::string& which) const {
  return path_ / "weights" / fmt::format("{}-{}.safetensors", model, which);
}

void RunFolder::write_args(const Args& args) const {
  write_atomically(file("args.json"), to_json(args));
}

Args RunFolder::read_args() const {
  return args_from_json(read_file(file("args.json")), file("args.json").string());
}

void RunFolder::write_splits(std::span<const SplitRow> rows) const {
  CsvWriter csv({"path", "label", "signer", "light", "fold"});
  for (const SplitRow& row : rows) csv.row(row.path, row.label, row.signer, row.light, row.fold);
  write_atomically(file("splits.csv"), csv.text());
}

std::vector<SplitRow> RunFolder::read_splits() const {
  const std::string source = file("splits.csv").string();
  const CsvTable table = read_csv(file("splits.csv"));
  const size_t path = table.column("path", source);
  const size_t label = table.column("label", source);
  const size_t signer = table.column("signer", source);
  const size_t light = table.column("light", source);
  const size_t fold = table.column("fold", source);
  std::vector<SplitRow> rows;
  for (const auto& row : table.rows) {
    rows.push_back({row[path], row[label], row[signer], row[light], fold_from_text(row[fold], source)});
  }
  return rows;
}

void RunFolder::write_results(std::span<const EpochRecord> epochs) const {
  CsvWriter csv({"model", "phase", "fold", "epoch", "lr", "train_loss", "train_acc", "val_loss", "val_acc",
                 "val_precision", "val_recall", "val_f1", "seconds", "img_s"});
  for (const EpochRecord& record : epochs) {
    const Scores& validation = record.validation;
    csv.row(record.model, record.phase, record.fold, record.epoch, record.lr, record.train.loss,
            record.train.accuracy, validation.loss, validation.accuracy, validation.precision,
            validation.recall, validation.f1, record.seconds, record.images_per_second);
  }
  write_atomically(file("results.csv"), csv.text());
}

std::vector<EpochRecord> RunFolder::read_results() const {
  const CsvTable table = read_csv(file("results.csv"));
  const Columns columns(table, file("results.csv").string());
  std::vector<EpochRecord> epochs;
  for (const auto& row : table.rows) {
    EpochRecord& record = epochs.emplace_back();
    record.model = columns.text(row, "model");
    record.phase = columns.text(row, "phase");
    record.fold = columns.whole(row, "fold");
    record.epoch = columns.whole(row, "epoch");
    record.lr = columns.number(row, "lr");
    record.train.loss = columns.number(row, "train_loss");
    record.train.accuracy = columns.number(row, "train_acc");
    record.validation.loss = columns.number(row, "val_loss");
    record.validation.accuracy = columns.number(row, "val_acc");
    record.validation.precision = columns.number(row, "val_precision");
    record.validation.recall = columns.number(row, "val_recall");
    record.validation.f1 = columns.number(row, "val_f1");
    record.seconds = columns.number(row, "seconds");
    record.images_per_second = columns.number(row, "img_s");
  }
  return epochs;
}

void RunFolder::write_predictions(std::span<const Prediction> predictions,
                                  std::span<const std::string> classes) const {
  CsvWriter csv({"model", "phase", "fold", "path", "true", "pred", "prob"});
  for (const Prediction& prediction : predictions) {
    csv.row(prediction.model, prediction.phase, prediction.fold, prediction.path,
            class_name(classes, prediction.true_class), class_name(classes, prediction.predicted_class),
            prediction.probability);
  }
  write_atomically(file("predictions.csv"), csv.text());
}

std::vector<Prediction> RunFolder::read_predictions(std::span<const std::string> classes) const {
  const std::string source = file("predictions.csv").string();
  const CsvTable table = read_csv(file("predictions.csv"));
  const Columns columns(table, source);
  std::map<std::string_view, int> places;
  for (size_t k = 0; k < classes.size(); ++k) places.emplace(classes[k], int(k));
  const auto place_of = [&](const std::string& name) {
    const auto found = places.find(name);
    if (found == places.end()) fail("{}: \"{}\" is none of the run's classes", source, name);
    return found->second;
  };
  std::vector<Prediction> predictions;
  for (const auto& row : table.rows) {
    predictions.push_back({columns.text(row, "model"), columns.text(row, "phase"), columns.whole(row, "fold"),
                           columns.text(row, "path"), place_of(columns.text(row, "true")),
                           place_of(columns.text(row, "pred")), columns.number(row, "prob")});
  }
  return predictions;
}

void RunFolder::write_summary(const StudySummary& summary) const {
  write_atomically(file("summary.json"), to_json(summary));
}

StudySummary RunFolder::read_summary() const {
  return study_summary_from_json(read_file(file("summary.json")), file("summary.json").string());
}

fs::path RunFolder::resume_file(const std::string& model) const {
  return path_ / "resume" / (model + ".safetensors");
}

std::optional<ModelResult> RunFolder::read_record(const std::string& model) const {
  const fs::path path = resume_file(model);
  if (!fs::exists(path)) return std::nullopt;
  const auto metadata = models::read_safetensors_metadata(path);
  const auto record = metadata.find("record");
  if (record == metadata.end()) return std::nullopt;
  return model_result_from_json(record->second, path.string());
}

std::vector<DriftRow> RunFolder::read_drift(const std::string& model) const {
  const fs::path path = file(fmt::format("drift_{}.csv", model));
  if (!fs::exists(path)) return {};
  const CsvTable table = read_csv(path);
  const Columns columns(table, path.string());
  std::vector<DriftRow> rows;
  for (const auto& row : table.rows) {
    rows.push_back({columns.whole(row, "fold"),
                    columns.whole(row, "epoch"),
                    {columns.text(row, "tensor"), columns.number(row, "norm"),
                     columns.number(row, "start_norm"), columns.number(row, "distance"),
                     columns.number(row, "gradient_norm"), columns.number(row, "update_norm")}});
  }
  return rows;
}

void RunFolder::write_model(const ModelResult& result, std::span<const std::string> classes,
                            std::span<const EpochRecord> curve_epochs,
                            std::span<const PhaseOutcome> curve_outcomes) const {
  const std::string& model = result.model;
  const ConfusionMatrix matrix = confusion_of(result.predictions, int64_t(classes.size()));
  write_atomically(file(fmt::format("confusion_{}.csv", model)), confusion_csv(matrix, classes));
  write_atomically(file(fmt::format("confusion_{}.svg", model)), confusion_svg(matrix, classes, model));
  write_atomically(file(fmt::format("classification_report_{}.txt", model)),
                   classification_report(matrix, classes));
  write_atomically(file(fmt::format("curves_{}.svg", model)),
                   curves_svg(curve_epochs, curve_outcomes, model));
  const std::string drift = drift_csv(result.epochs);
  if (!drift.empty()) write_atomically(file(fmt::format("drift_{}.csv", model)), drift);
}

}  // namespace signet::study
