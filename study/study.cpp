#include "study/study.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "data/leakage.h"
#include "data/store.h"
#include "kernels/parallel.h"
#include "models/checkpoint_file.h"
#include "study/checkpoint.h"
#include "study/cross_validation.h"
#include "study/interrupt.h"
#include "study/process_info.h"
#include "study/run_folder.h"
#include "study/table.h"
#include "tensor/error.h"
#include "tensor/files.h"
#include "tensor/sha256.h"

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

data::ImageStore load_images(const StudyOptions& o, Progress& progress) {
  const data::NamePattern pattern =
      o.name_pattern.empty() ? data::NamePattern() : data::NamePattern(o.name_pattern);
  data::Dataset dataset = data::scan_dataset(o.data, pattern);
  std::vector<data::ImageSpec> specs;
  for (const auto& plan : o.plans) {
    const auto network =
        models::make_network(plan.architecture, dataset.num_classes(), plan.image_size, plan.width, o.device);
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
    const auto network =
        models::make_network(plan.architecture, classes, plan.image_size, plan.width, o.device);
    network->freeze_before(plan.first_trainable.empty() ? 0 : network->stage_index(plan.first_trainable));
    const int64_t trainable = network->parameter_count(true), all = network->parameter_count();
    fmt::print("  {:<16} {:>10} parameters trained, {:>10} frozen; {} epochs, {} {}, batch {}\n", plan.name,
               trainable, all - trainable, plan.training.epochs, plan.training.optimizer, plan.training.lr,
               plan.training.batch_size);
  }
}

/// Options that may differ between a run and its resumption.
bool may_differ(const std::string& name) {
  static const std::set<std::string> free{"threads", "version", "processor", "started", "data", "weights"};
  return free.contains(name);
}

void require_same_args(const Args& before, const Args& now, const fs::path& folder) {
  for (const auto& [name, value] : now) {
    if (may_differ(name)) continue;
    const auto old =
        std::find_if(before.begin(), before.end(), [&](const auto& a) { return a.first == name; });
    // As text: what was read back may be another kind of integer.
    if (old == before.end() || to_json(Args{*old}) != to_json(Args{{name, value}})) {
      fail(
          "{}: was begun with another {}; resume with the options of its args.json, or start anew in another "
          "folder",
          folder.string(), name);
    }
  }
}

class Run {
 public:
  explicit Run(const StudyOptions& options) : options_(options), store_(load_images(options, progress_)) {
    if (!options.weights.empty()) {
      const std::string bytes = read_file(options.weights);
      weights_hash_ = sha256_hex(bytes);
      weights_ = models::parse_checkpoint(bytes, options.weights.string());
      require_fitting_weights();
    }
  }

  StudyResult execute() {
    const RunFolder folder = options_.output.empty()
                                 ? RunFolder::numbered(options_.runs, options_.verb, options_.name)
                                 : RunFolder::named(options_.output, options_.resume);
    Args args = describe(options_);
    args.emplace_back("dataset_hash", store_.content_hash());
    args.emplace_back("weights_sha256", weights_hash_);
    args.emplace_back("version", std::string(SIGNET_VERSION));
    args.emplace_back("processor", processor_name());
    args.emplace_back("threads", int64_t{num_threads()});
    args.emplace_back("started", utc_now());
    if (options_.resume) {
      require_same_args(folder.read_args(), args, folder.path());
    } else {
      folder.write_args(args);
    }
    const auto& dataset = store_.dataset();
    fmt::print("signet {} on {}, {} threads, device {}\n", SIGNET_VERSION, processor_name(), num_threads(),
               options_.device.to_string());
    fmt::print("{} images of {} classes in {}\n", dataset.size(), dataset.num_classes(),
               dataset.root.string());
    print_plans(options_, dataset.num_classes());

    StudyResult result;
    result.folder = folder.path();
    for (size_t i = 0; i < options_.splits.size(); ++i) {
      const auto split = options_.splits[i];
      if (i == 0) {
        result.splits.push_back(run_split(split, folder));
      } else {
        const fs::path below = folder.file(std::string(data::split_name(split)));
        const bool begun = fs::exists(below / "args.json");
        const RunFolder subfolder = RunFolder::named(below, begun && options_.resume);
        if (!begun) subfolder.write_args(args);
        result.splits.push_back(run_split(split, subfolder));
      }
    }
    print_tables(result);
    return result;
  }

 private:
  void require_fitting_weights() const {
    for (const auto& plan : options_.plans) {
      if (!plan.pretrained) continue;
      const auto network = models::make_network(plan.architecture, store_.dataset().num_classes(),
                                                plan.image_size, plan.width, options_.device);
      const auto report = models::load_weights(*network, weights_, options_.weights.string(), true);
      fmt::print("{}: {} tensors used{}{}\n", options_.weights.string(), report.used.size(),
                 report.skipped.empty() ? "" : fmt::format("; skipped {}", fmt::join(report.skipped, ", ")),
                 report.missing.empty() ? "" : fmt::format("; missing {}", fmt::join(report.missing, ", ")));
      return;
    }
  }

  StudySummary run_split(data::Split split, const RunFolder& folder) {
    const Stopwatch watch;
    const auto& dataset = store_.dataset();
    const auto folds = data::make_folds(dataset, split, options_.folds, options_.seed);
    const auto leakage = data::measure_leakage(store_, folds);
    fmt::print("\nsplit {}: {} fold{}; {:.1f}% of the validation images have a near-twin in training{}\n",
               dataset.predefined_split ? "train/ and val/" : data::split_name(split),
               data::fold_count(folds), data::fold_count(folds) == 1 ? "" : "s",
               100 * leakage.near_twin_share(),
               leakage.near_twin_share() > 0.5 ? ", so the accuracy below is partly memory" : "");
    std::fflush(stdout);
    std::vector<SplitRow> rows;
    for (size_t i = 0; i < folds.size(); ++i) {
      const auto& sample = dataset.samples[i];
      rows.push_back(
          {sample.path, dataset.classes[size_t(sample.label)], sample.signer, sample.light, folds[i]});
    }
    folder.write_splits(rows);

    const StudyContext context{options_, store_, options_.weights.empty() ? nullptr : &weights_, progress_,
                               features_};
    CrossValidation validation(context, folder, folds);
    StudySummary summary;
    summary.split = std::string(data::split_name(split));
    summary.near_twin_share = leakage.near_twin_share();
    std::vector<EpochRecord> epochs, chain_epochs;
    std::vector<PhaseOutcome> chain_outcomes;
    std::vector<Prediction> predictions;
    for (const auto& plan : options_.plans) {
      const auto& result = validation.run(plan, [&](const ModelResult& so_far) {
        auto all = epochs;
        all.insert(all.end(), so_far.epochs.begin(), so_far.epochs.end());
        folder.write_results(all);
      });
      const auto& record = result.record;
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
      for (const auto& [which, weights] :
           {std::pair("best", &result.best), std::pair("last", &result.last)}) {
        const auto network = validation.network_of(plan, weights->at(result.best_fold));
        save_classifier(folder.weights(plan.name, which), *network, dataset.classes, options_.seed);
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
    fmt::print("\nwritten to {}\n", result.folder.string());
    std::fflush(stdout);
  }

  const StudyOptions& options_;
  Progress progress_;
  data::ImageStore store_;
  models::Archive weights_;
  std::string weights_hash_;
  FeatureCache features_;
};

}  // namespace

StudyResult run_study(const StudyOptions& options) {
  require_sound(options);
  Run run(options);
  return run.execute();
}

}  // namespace signet::study
