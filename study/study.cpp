#include "study/study.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "data/leakage.h"
#include "data/store.h"
#include "kernels/parallel.h"
#include "study/checkpoint.h"
#include "study/cross_validation.h"
#include "study/interrupt.h"
#include "study/pretrained.h"
#include "study/process_info.h"
#include "study/report.h"
#include "study/run_folder.h"
#include "study/source.h"
#include "study/table.h"
#include "study/tensorboard.h"
#include "study/typical.h"
#include "tensor/allocator.h"
#include "tensor/error.h"
#include "tensor/files.h"

namespace signet::study {
namespace fs = std::filesystem;
namespace {

void require_sound(const StudyOptions& o) {
  for (const auto& plan : o.plans) {
    const auto& t = plan.training;
    if (t.epochs < 1) fail("--epochs {}: at least 1 is needed", t.epochs);
    if (t.batch_size < 1) fail("--batch-size {}: at least 1 is needed", t.batch_size);
    if (!(t.lr > 0)) fail("--lr {}: must be above 0", t.lr);
    if (plan.pretrained && o.weights.empty()) {
      fail(
          "{} starts from pretrained weights: name them with --weights (torchvision's resnet18-f37072fd.pth, "
          "or a "
          ".safetensors file), or leave {} out with --models mlp,cnn",
          plan.name, plan.name);
    }
  }
}

data::Dataset scan(const StudyOptions& o) {
  const data::NamePattern pattern =
      o.name_pattern.empty() ? data::NamePattern() : data::NamePattern(o.name_pattern);
  data::Dataset dataset = data::scan_dataset(o.data, pattern);
  const bool asked = o.splits != std::vector{data::Split::random};
  if (dataset.predefined_split && asked) {
    fail(
        "{}: has a split of its own, train/ and val/; leave --split {} out, or put the classes of both "
        "together",
        dataset.root.string(), data::split_name(o.splits.back()));
  }
  return dataset;
}

data::ImageStore load_images(const StudyOptions& o, data::Dataset dataset, Progress& progress) {
  std::vector<data::ImageSpec> specs;
  for (const auto& plan : o.plans) {
    const auto network =
        models::make_network(plan.architecture, dataset.num_classes(), plan.image_size, plan.width);
    const auto spec = preprocessing_of(network->input()).spec();
    if (std::find(specs.begin(), specs.end(), spec) == specs.end()) specs.push_back(spec);
  }
  // Small forms first: they are what the memory bound should never push out.
  std::sort(specs.begin(), specs.end(), [](const auto& a, const auto& b) { return a.bytes() < b.bytes(); });
  if (std::find(specs.begin(), specs.end(), data::kNearTwinSpec) == specs.end()) {
    specs.insert(specs.begin(), data::kNearTwinSpec);
  }
  data::StoreOptions store_options;
  store_options.max_bytes = o.cache_mb << 20;
  store_options.skip_bad = o.skip_bad;
  int64_t before = 0;
  store_options.progress = [&](int64_t done, int64_t) {
    if (stop_requested()) throw Interrupted();
    progress.advance(done - before);
    before = done;
  };
  progress.start("decoding", dataset.size());
  data::ImageStore store(std::move(dataset), specs, store_options);
  progress.finish();
  for (const auto& bad : store.bad_files())
    progress.line(fmt::format("left out: {}: {}", bad.path, bad.reason));
  return store;
}

void print_plans(const StudyOptions& o, int classes) {
  for (const auto& plan : o.plans) {
    const auto network = models::make_network(plan.architecture, classes, plan.image_size, plan.width);
    network->freeze_before(plan.first_trainable.empty() ? 0 : network->stage_index(plan.first_trainable));
    const int64_t trainable = network->parameter_count(true), all = network->parameter_count();
    fmt::print("  {:<16} {:>10} parameters trained, {:>10} frozen; {} epoch{}, {} {}, batch {}\n", plan.name,
               trainable, all - trainable, plan.training.epochs, plan.training.epochs == 1 ? "" : "s",
               plan.training.optimizer, plan.training.lr, plan.training.batch_size);
  }
}

/// Options that may differ between a run and its resumption.
bool may_differ(const std::string& name) {
  static const std::set<std::string> free{"threads", "version", "processor", "started",
                                          "data",    "weights", "flags"};
  return free.contains(name);
}

std::string in_words(const std::string& name) {
  if (name == "dataset_hash") return "data set, or its images have changed";
  if (name == "weights_sha256") return "file of weights";
  return name;
}

/// Whether a run's arguments have this one, compared as text: what was read back may be another kind of
/// integer.
bool has_same(const Args& args, const Args::value_type& wanted) {
  const auto found =
      std::find_if(args.begin(), args.end(), [&](const auto& a) { return a.first == wanted.first; });
  return found != args.end() && to_json(Args{*found}) == to_json(Args{wanted});
}

void require_same_args(const Args& before, const Args& now, const fs::path& folder) {
  for (const auto& arg : now) {
    if (may_differ(arg.first) || has_same(before, arg)) continue;
    fail(
        "{}: was begun with another {}; resume with the options of its args.json, or start anew in another "
        "folder",
        folder.string(), in_words(arg.first));
  }
}

/// When the run was begun, be it before a resumption.
std::string started_at(const RunFolder& folder) {
  for (const auto& [name, value] : folder.read_args()) {
    if (name == "started") return std::get<std::string>(value);
  }
  fail("{}: does not say when the run started; start anew in another folder",
       folder.file("args.json").string());
}

/// What is another than in the run that is replayed, so that its bits may be others too.
void print_changes(const fs::path& replayed, const Args& now) {
  const Args before = args_from_json(read_file(replayed), replayed.string());
  for (const auto& arg : now) {
    const auto& name = arg.first;
    if (name == "flags" || name == "threads" || name == "started" || has_same(before, arg)) continue;
    fmt::print("  another {} than in {}\n", in_words(name), replayed.string());
  }
}

void require_folds(const StudyOptions& o, int count) {
  for (const auto& plan : o.plans) {
    for (const int fold : plan.folds) {
      if (fold < count) continue;
      fail("{} {}: there is no such fold; the {} are numbered from 0 to {}",
           plan.continues.empty() ? "--val-fold" : "--finetune-folds", fold, count, count - 1);
    }
  }
}

class Run {
 public:
  Run(const StudyOptions& options, data::Dataset dataset)
      : options_(options),
        pretrained_(options, dataset.classes),
        store_(load_images(options, std::move(dataset), progress_)) {
    for (const auto split : options.splits) {
      folds_.push_back(data::make_folds(store_.dataset(), split, options.folds, options.seed));
      require_folds(options, data::fold_count(folds_.back()));
    }
  }

  void describe_only() {
    print_heading();
    for (size_t i = 0; i < options_.splits.size(); ++i) measure_and_print(i);
    fmt::print("\ndry run: nothing was trained or written\n");
  }

  StudyResult execute() {
    const RunFolder folder = options_.output.empty()
                                 ? RunFolder::numbered(options_.runs, options_.verb, options_.name)
                                 : RunFolder::named(options_.output, options_.resume);
    const Args args = resolved();
    if (options_.resume) {
      require_same_args(folder.read_args(), args, folder.path());
    } else {
      folder.write_args(args);
    }
    print_heading();
    try {
      return run_splits(folder, args);
    } catch (const Interrupted&) {
      throw Interrupted(folder.path());
    }
  }

 private:
  Args resolved() const {
    Args args = describe(options_);
    args.emplace_back("dataset_hash", store_.content_hash());
    args.emplace_back("weights_sha256", pretrained_.sha256());
    args.emplace_back("version", std::string(SIGNET_VERSION));
    args.emplace_back("processor", processor_name());
    args.emplace_back("threads", int64_t{num_threads()});
    args.emplace_back("started", utc_now());
    return args;
  }

  void print_heading() const {
    const auto& dataset = store_.dataset();
    fmt::print("signet {} on {}, {} threads, device {}\n", SIGNET_VERSION, processor_name(), num_threads(),
               options_.device.description());
    fmt::print("{} images of {} classes in {}\n{}", dataset.size(), dataset.num_classes(),
               dataset.root.string(), pretrained_.report());
    print_plans(options_, dataset.num_classes());
    if (!options_.replayed.empty()) print_changes(options_.replayed, resolved());
  }

  StudyResult run_splits(const RunFolder& folder, const Args& args) {
    StudyResult result;
    result.folder = folder.path();
    for (size_t i = 0; i < options_.splits.size(); ++i) {
      const auto split = options_.splits[i];
      if (i == 0) {
        result.splits.push_back(run_split(i, folder));
      } else {
        const fs::path below = folder.file(std::string(data::split_name(split)));
        const bool begun = fs::exists(below / "args.json");
        const RunFolder subfolder = RunFolder::named(below, begun && options_.resume);
        if (!begun) subfolder.write_args(args);
        result.splits.push_back(run_split(i, subfolder));
      }
    }
    print_tables(result);
    std::fflush(stdout);
    const fs::path page = write_report(folder.path(), &store_, {.original = options_.original_table});
    fmt::print("\nthe report is {}\nwritten to {}\n", page.string(), result.folder.string());
    std::fflush(stdout);
    return result;
  }

  /// Prints what a split does and how much of it is memory; returns the share of near-twins.
  double measure_and_print(size_t s) {
    const auto& dataset = store_.dataset();
    const auto& folds = folds_[s];
    const auto split = options_.splits[s];
    const auto leakage = data::measure_leakage(store_, folds);
    fmt::print("\nsplit {}: {} fold{}; {:.1f}% of the validation images have a near-twin in training",
               dataset.predefined_split ? "train/ and val/" : data::split_name(split),
               data::fold_count(folds), data::fold_count(folds) == 1 ? "" : "s",
               100 * leakage.near_twin_share());
    if (leakage.named > 0) {
      fmt::print(", {:.1f}% another take of the same person and light", 100 * leakage.sibling_share());
    }
    const bool leaks = std::max(leakage.near_twin_share(), leakage.sibling_share()) > 0.5;
    fmt::print("{}\n", leaks ? ": the accuracies below are partly memory" : "");
    std::fflush(stdout);
    return leakage.near_twin_share();
  }

  StudySummary run_split(size_t s, const RunFolder& folder) {
    const auto& dataset = store_.dataset();
    const auto& folds = folds_[s];
    const double near_twin_share = measure_and_print(s);
    std::vector<SplitRow> rows;
    for (size_t i = 0; i < folds.size(); ++i) {
      const auto& sample = dataset.samples[i];
      rows.push_back(
          {sample.path, dataset.classes[size_t(sample.label)], sample.signer, sample.light, folds[i]});
    }
    folder.write_splits(rows);

    const StudyContext context{options_, store_, pretrained_, progress_, features_};
    CrossValidation validation(context, folder, folds);
    const std::string started = started_at(folder);
    StudySummary summary;
    summary.split = std::string(data::split_name(options_.splits[s]));
    summary.near_twin_share = near_twin_share;
    std::vector<EpochRecord> epochs, chain_epochs;
    std::vector<PhaseOutcome> chain_outcomes;
    std::vector<Prediction> predictions;
    for (const auto& plan : options_.plans) {
      const auto& result = validation.run(plan, [&](const ModelResult& so_far) {
        auto all = epochs;
        all.insert(all.end(), so_far.epochs.begin(), so_far.epochs.end());
        folder.write_results(all);
        if (options_.tensorboard) write_event_files(folder.path(), so_far.epochs, started);
      });
      const auto& record = result.record;
      // A model that was finished before the run was stopped has no epoch left to write after.
      if (options_.tensorboard) write_event_files(folder.path(), record.epochs, started);
      epochs.insert(epochs.end(), record.epochs.begin(), record.epochs.end());
      predictions.insert(predictions.end(), record.predictions.begin(), record.predictions.end());
      if (plan.continues.empty()) {
        chain_epochs.clear();
        chain_outcomes.clear();
      }
      chain_epochs.insert(chain_epochs.end(), record.epochs.begin(), record.epochs.end());
      chain_outcomes.insert(chain_outcomes.end(), record.outcomes.begin(), record.outcomes.end());
      folder.write_results(epochs);
      folder.write_predictions(predictions, dataset.classes);
      folder.write_model(record, dataset.classes, chain_epochs, chain_outcomes);
      std::string typical;
      // A network and its file's content follow, and no training.
      release_cached_memory();
      for (const auto& [which, weights] :
           {std::pair("best", &result.best), std::pair("last", &result.last)}) {
        const auto network = validation.network_of(plan, weights->at(result.best_fold));
        if (typical.empty()) typical = to_json(typical_of(store_, preprocessing_of(network->input()).spec()));
        save_classifier(folder.weights(plan.name, which), *network, dataset.classes, options_.seed,
                        {{kTypicalKey, typical}});
      }
      summary.models.push_back(summarise(record));
      summary.seconds += record.seconds;
      const auto& row = summary.models.back();
      progress_.line(
          fmt::format("{}: validation accuracy {:.2f}%{}, {}", plan.name, 100 * row.val_acc,
                      record.folds.size() > 1
                          ? fmt::format(" ± {:.2f} over {} folds", 100 * row.val_acc_sd, record.folds.size())
                          : fmt::format(" on fold {}", record.folds.front().fold + 1),
                      duration_text(record.seconds)));
      summary.peak_rss_mb = peak_rss_mb();
      folder.write_summary(summary);
    }
    return summary;
  }

  void print_tables(const StudyResult& result) const {
    for (const auto& summary : result.splits) {
      const bool original = options_.original_table && summary.split == "random";
      fmt::print("\nSplit {}, near-twins {:.1f}%\n{}", summary.split, 100 * summary.near_twin_share,
                 comparison_table(summary.models, TableForm::text, original));
    }
    if (result.splits.size() > 1) {
      fmt::print("\nValidation accuracy, side by side:\n  {:<16}", "");
      for (const auto& summary : result.splits) fmt::print(" {:>10}", summary.split);
      for (size_t m = 0; m < options_.plans.size(); ++m) {
        fmt::print("\n  {:<16}", options_.plans[m].name);
        for (const auto& summary : result.splits) fmt::print(" {:>9.2f}%", 100 * summary.models[m].val_acc);
      }
      fmt::print("\n");
    }
  }

  const StudyOptions& options_;
  Progress progress_;
  Pretrained pretrained_;
  data::ImageStore store_;
  std::vector<std::vector<int>> folds_;  ///< for each of the splits
  FeatureCache features_;
};

}  // namespace

StudyResult run_study(const StudyOptions& options) {
  require_sound(options);
  if (!options.output.empty()) RunFolder::require_usable(options.output, options.resume);
  Run run(options, scan(options));
  if (!options.dry_run) return run.execute();
  run.describe_only();
  return {};
}

}  // namespace signet::study
