#include "study/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <optional>

#include "data/folds.h"
#include "data/leakage.h"
#include "study/check_features.h"
#include "study/csv.h"
#include "study/interrupt.h"
#include "study/progress.h"
#include "study/report_images.h"
#include "study/run_folder.h"
#include "study/text.h"
#include "tensor/error.h"
#include "tensor/files.h"

namespace signet::study {
namespace fs = std::filesystem;
namespace {

constexpr int kFolds = 5;
constexpr int kNeighboursShown = 3;
constexpr double kLeastLikeness = 0.01;
constexpr size_t kMostPairs = 20, kMostMirrored = 1500;
constexpr double kRehearsedShares[] = {0.01, 0.03, 0.1};

class Check {
 public:
  explicit Check(const CheckOptions& options)
      : options_(options), features_(options.weights, options.device) {
    found_.features = features_.description();
    found_.weights = !options.weights.empty();
  }

  fs::path run() {
    if (!options_.output.empty()) RunFolder::require_usable(options_.output, false);
    read_images();
    find_twins();
    judge();
    const RunFolder folder = options_.output.empty() ? RunFolder::numbered(options_.runs, "check", "check")
                                                     : RunFolder::named(options_.output, false);
    print();
    write_atomically(folder.file("files.csv"), files_csv());
    write_atomically(folder.file("near_duplicates.csv"), twins_csv());
    write_atomically(folder.file("suspect_labels.csv"), suspects_csv());
    write_atomically(folder.file("check.html"), check_page(*store_, found_, folder.path()));
    fmt::print("\nthe page is {}\nwritten to {}\n", folder.file("check.html").string(),
               folder.path().string());
    return folder.path();
  }

 private:
  const data::Dataset& dataset() const { return store_->dataset(); }
  const std::string& path_of(int image) const { return dataset().samples[size_t(image)].path; }
  const std::string& class_of(int image) const {
    return dataset().classes[size_t(dataset().samples[size_t(image)].label)];
  }

  void read_images() {
    auto scanned = data::scan_dataset(
        options_.data,
        options_.name_pattern.empty() ? data::NamePattern() : data::NamePattern(options_.name_pattern),
        data::Strictness::lenient);
    std::vector<data::FileFacts> facts(size_t(scanned.size()));
    data::StoreOptions store_options;
    store_options.max_bytes = options_.cache_mb << 20;
    store_options.skip_bad = store_options.keep_empty_classes = true;
    store_options.examine = [&](const data::DecodedFile& file) {
      facts[size_t(file.index)] = data::facts_of(file);
    };
    int64_t before = 0;
    store_options.progress = [&](int64_t done, int64_t) {
      check_stop();
      progress_.advance(done - before);
      before = done;
    };
    progress_.start("reading images", scanned.size());
    store_.emplace(std::move(scanned),
                   std::vector{data::kNearTwinSpec, ReportImages::kSpec, features_.spec()}, store_options);
    progress_.finish();
    for (const auto& bad : store_->bad_files()) {
      const std::string prefix = (dataset().root / bad.path).string() + ": ";
      const bool named = bad.reason.starts_with(prefix);
      found_.notes.push_back({bad.path, "unreadable", named ? bad.reason.substr(prefix.size()) : bad.reason});
    }
    for (const auto& path : dataset().ignored) {
      found_.notes.push_back({path, "not read", "only .jpg, .jpeg and .png are"});
    }
    std::erase_if(facts, [](const data::FileFacts& f) { return f.width == 0; });
    const auto reasons = data::odd_sizes(facts);
    for (size_t i = 0; i < facts.size(); ++i) {
      ++found_.sizes[fmt::format("{}x{}", facts[i].width, facts[i].height)];
      if (!reasons[i].empty()) found_.notes.push_back({path_of(int(i)), "odd size", reasons[i]});
      if (facts[i].blank) {
        found_.notes.push_back({path_of(int(i)), "blank", "nearly one colour from edge to edge"});
      }
    }
    found_.copies = data::find_copies(facts);
    found_.counts = data::class_counts(dataset());
    for (const auto& sample : dataset().samples) labels_.push_back(sample.label);
  }

  void find_twins() {
    if (dataset().samples.empty()) return;
    found_.twins = data::find_near_twins(*store_);
    std::vector<std::pair<std::string, data::Split>> splits{
        {"random", data::Split::random}, {"group", data::Split::group}, {"signer", data::Split::signer}};
    if (dataset().predefined_split) splits = {{"train/ and val/", data::Split::random}};
    for (const auto& [name, split] : splits) {
      try {
        const auto folds = data::make_folds(dataset(), split, kFolds, 0);
        if (found_.folds.empty()) found_.folds = folds;
        found_.leaks.push_back({name, data::measure_leakage(*store_, folds)});
      } catch (const Error&) {
        // Too few images for such folds, or names that do not tell: there is no such split to speak of.
        continue;
      }
    }
  }

  void judge() {
    const int classes = dataset().num_classes();
    const auto judged =
        std::ranges::count_if(found_.counts, [](int64_t count) { return count >= LabelCheck::kFewest; });
    if (judged < 2) {
      found_.not_judged = fmt::format(
          "fewer than two classes have {} images or more that can be read, and fewer tell nothing about one "
          "another",
          LabelCheck::kFewest);
      return;
    }
    const CheckGroups group = check_groups(dataset(), labels_, found_.twins.group);
    if (*std::ranges::max_element(group.twins) == 0) {
      found_.not_judged =
          "all images are near-twins of one another, and there is nothing to tell them apart by";
      return;
    }
    std::vector<int> order(labels_.size());
    std::iota(order.begin(), order.end(), 0);
    const auto mirrored = images_to_mirror(labels_, classes, kMostMirrored);
    progress_.start(found_.features, int64_t(order.size() + mirrored.size()));
    const auto advance = [&](int64_t images) { progress_.advance(images); };
    const Tensor table = features_.compute(*store_, order, false, advance);
    const Tensor of_mirrors = features_.compute(*store_, mirrored, true, advance);
    progress_.finish();
    const bool standardised = features_.standardised();
    const LabelCheck check(scaled_features(table, standardised), group, options_.seed);
    judge_labels(check);
    for (const double share : kRehearsedShares) {
      if (share * double(labels_.size()) < 1) continue;
      found_.rehearsals.push_back(check.rehearse(labels_, classes, share, options_.seed));
    }
    found_.alike = find_alike(check, labels_, classes, kLeastLikeness, kMostPairs);
    found_.flip =
        check_flip(check, labels_, classes, mirrored, scaled_features(of_mirrors, standardised, table),
                   data::find_mirror_twins(*store_));
  }

  void judge_labels(const LabelCheck& check) {
    const int classes = dataset().num_classes();
    found_.estimated_errors = estimated_errors(check.probabilities(labels_, classes), labels_, classes);
    auto opinions = check.judge(labels_, classes);
    for (size_t i = 0; i < opinions.size(); ++i) {
      if (opinions[i].score > 0.5) found_.suspects.push_back({int(i), std::move(opinions[i])});
    }
    std::ranges::stable_sort(found_.suspects, std::ranges::greater(),
                             [](const Suspect& s) { return s.opinion.score; });
    for (auto& suspect : found_.suspects) {
      check.add_neighbours(suspect.opinion, suspect.image, labels_, kNeighboursShown);
    }
  }

  // ---- what is written

  std::string files_csv() const {
    CsvWriter csv({"path", "finding", "detail"});
    for (const auto& note : found_.notes) csv.row(note.path, note.finding, note.detail);
    for (const auto& copies : found_.copies) {
      for (size_t k = 1; k < copies.files.size(); ++k) {
        csv.row(path_of(copies.files[k]), copies.same_bytes ? "same bytes" : "same pixels",
                "as " + path_of(copies.files.front()));
      }
    }
    return csv.text();
  }

  std::string twins_csv() const {
    CsvWriter csv({"path", "other", "distance", "label", "other_label", "fold", "other_fold"});
    const auto fold = [&](int image) {
      return found_.folds.empty() ? std::string() : std::to_string(found_.folds[size_t(image)]);
    };
    for (const auto& pair : found_.twins.pairs) {
      csv.row(path_of(pair.first), path_of(pair.second), fmt::format("{:.5f}", pair.distance),
              class_of(pair.first), class_of(pair.second), fold(pair.first), fold(pair.second));
    }
    return csv.text();
  }

  std::string suspects_csv() const {
    CsvWriter csv({"path", "label", "suggested", "score"});
    for (const auto& suspect : found_.suspects) {
      csv.row(path_of(suspect.image), class_of(suspect.image),
              dataset().classes[size_t(suspect.opinion.suggested)],
              fmt::format("{:.4f}", suspect.opinion.score));
    }
    return csv.text();
  }

  // ---- what is printed

  void print() const {
    const auto sizes = found_.sizes.size();
    fmt::print("{}: {} images of {} classes, {}; compared by {}\n", dataset().root.string(), dataset().size(),
               dataset().num_classes(), sizes == 1 ? "all of one size" : fmt::format("of {} sizes", sizes),
               found_.features);
    print_notes();
    int64_t copies = 0;
    for (const auto& c : found_.copies) copies += int64_t(c.files.size()) - 1;
    fmt::print("duplicates: {} files repeat another one\n", copies);
    const auto across = std::ranges::count_if(found_.twins.pairs, [&](const data::TwinPair& pair) {
      return class_of(pair.first) != class_of(pair.second);
    });
    fmt::print("near-duplicates: {} pairs, {} of them across classes\n", found_.twins.pair_count, across);
    for (const auto& leak : found_.leaks) {
      fmt::print("  {} folds: {:.1f}% of the validation images have a near-twin in training\n", leak.split,
                 100 * leak.leakage.near_twin_share());
    }
    const auto [least, most] = std::ranges::minmax_element(found_.counts);
    fmt::print("balance: {} to {} images a class\n", *least, *most);
    if (!found_.not_judged.empty()) {
      fmt::print("labels: not judged; {}\n", found_.not_judged);
      return;
    }
    print_suspects();
    print_classes();
  }

  void print_notes() const {
    constexpr size_t kMostLines = 10;
    std::map<std::string, int64_t> counts;
    for (const auto& note : found_.notes) ++counts[note.finding];
    for (const auto& [finding, count] : counts) fmt::print("{}: {}\n", finding, count);
    for (size_t i = 0; i < std::min(found_.notes.size(), kMostLines); ++i) {
      fmt::print("  {}: {}\n", printable(found_.notes[i].path), printable(found_.notes[i].detail));
    }
    if (found_.notes.size() > kMostLines) {
      fmt::print("  … and {} more in files.csv\n", found_.notes.size() - kMostLines);
    }
  }

  void print_suspects() const {
    constexpr size_t kMostLines = 10;
    fmt::print("suspect labels: {} ({:.0f} wrong ones estimated)\n", found_.suspects.size(),
               found_.estimated_errors);
    for (size_t i = 0; i < std::min(found_.suspects.size(), kMostLines); ++i) {
      const auto& suspect = found_.suspects[i];
      fmt::print("  {:.3f}  {}: {}, or {}?\n", suspect.opinion.score, printable(path_of(suspect.image)),
                 printable(class_of(suspect.image)),
                 printable(dataset().classes[size_t(suspect.opinion.suggested)]));
    }
    for (const auto& rehearsal : found_.rehearsals) {
      fmt::print(
          "  rehearsal: of {} labels changed at random, {} are among the first {}, {} among the first {}\n",
          rehearsal.planted, rehearsal.found, rehearsal.planted, rehearsal.found_twice,
          2 * rehearsal.planted);
    }
  }

  void print_classes() const {
    constexpr size_t kMostAlike = 5;
    fmt::print("alike:");
    for (size_t i = 0; i < std::min(found_.alike.size(), kMostAlike); ++i) {
      const auto& pair = found_.alike[i];
      fmt::print("{} {} and {} ({:.0f}%)", i == 0 ? "" : ",",
                 printable(dataset().classes[size_t(pair.first)]),
                 printable(dataset().classes[size_t(pair.second)]), 100 * pair.likeness);
    }
    fmt::print("{}\nflip: {}\n", found_.alike.empty() ? " no two classes" : "", flip_sentence(found_.flip));
  }

  const CheckOptions& options_;
  CheckFeatures features_;
  Progress progress_;
  std::optional<data::ImageStore> store_;
  std::vector<int> labels_;
  Findings found_;
};

}  // namespace

std::string flip_sentence(const FlipCheck& flip) {
  const std::string measured =
      fmt::format("{:.1f}% of {} images recognised with mirror images to learn from, {:.1f}% without",
                  100 * flip.accuracy_with(), flip.images, 100 * flip.accuracy_without());
  switch (flip.verdict()) {
    case FlipVerdict::unsafe: {
      const auto merged = flip.merged();
      return fmt::format("unsafe, for {}; {}. Train with --fliplr 0",
                         merged.empty() ? "mirror images are near-duplicates of other classes"
                                        : "mirror images make some classes look alike",
                         measured);
    }
    case FlipVerdict::costly:
      return fmt::format("costs recognition; {}. Compare --fliplr 0 with --fliplr 0.5", measured);
    case FlipVerdict::new_kind:
      return fmt::format(
          "does no harm; {}. But mirror images are of another kind ({:.0f}% told from images): worth it only "
          "if such pictures will come",
          measured, 100 * flip.told_apart);
    case FlipVerdict::safe:
      return fmt::format("safe; {}", measured);
    case FlipVerdict::unknown:
      break;
  }
  return "not judged; too few images are recognised at all";
}

fs::path run_data_check(const CheckOptions& options) {
  return Check(options).run();
}

}  // namespace signet::study
