#include <algorithm>
#include <numeric>

#include "apps/config_file.h"
#include "apps/flags.h"
#include "apps/verbs.h"
#include "data/store.h"
#include "study/checkpoint.h"
#include "study/classification_report.h"
#include "study/fold_trainer.h"
#include "study/progress.h"
#include "tensor/error.h"

namespace signet::apps {
namespace {

struct ValFlags {
  DataFlags data;
  ComputeFlags compute;
  std::string checkpoint;
  int batch_size = 32;
};

/// Counts a data set's classes as the checkpoint does.
void adopt_classes(data::Dataset& dataset, const std::vector<std::string>& classes,
                   const std::string& checkpoint) {
  std::vector<int> place;
  for (const auto& name : dataset.classes) {
    const auto found = std::find(classes.begin(), classes.end(), name);
    if (found == classes.end())
      fail(
          "{}: class '{}' is none of the {} that {} tells apart; validate on images of the classes it was "
          "trained on",
          dataset.root.string(), name, classes.size(), checkpoint);
    place.push_back(int(found - classes.begin()));
  }
  for (auto& sample : dataset.samples) sample.label = place[size_t(sample.label)];
  dataset.classes = classes;
}

void run(ValFlags& flags) {
  const Device device = flags.compute.apply();
  const auto classifier = study::load_classifier(flags.checkpoint, device);
  const auto& pattern = flags.data.name_pattern;
  auto dataset =
      data::scan_dataset(flags.data.data, pattern.empty() ? data::NamePattern() : data::NamePattern(pattern));
  adopt_classes(dataset, classifier.classes, flags.checkpoint);
  data::StoreOptions options;
  options.skip_bad = flags.data.skip_bad;
  const auto input = classifier.network->input();
  const data::ImageStore store(std::move(dataset), {study::preprocessing_of(input).spec()}, options);
  const study::ImageSource images(store, input, {}, 0, 0, device);
  std::vector<int> order(size_t(store.dataset().size()), 0);
  std::iota(order.begin(), order.end(), 0);
  study::Progress progress;
  progress.start("validating", int64_t(order.size()));
  const int classes = int(classifier.classes.size());
  const auto result = study::evaluate(*classifier.network, images, order, flags.batch_size, classes,
                                      [&](int64_t done) { progress.advance(done); });
  progress.finish();
  study::ConfusionMatrix matrix(classes);
  for (size_t i = 0; i < order.size(); ++i)
    matrix.add(store.dataset().samples[i].label, result.predictions[i]);
  for (const auto& bad : store.bad_files()) fmt::print("left out: {}: {}\n", bad.path, bad.reason);
  fmt::print("{}\n{} images, accuracy {:.2f}%, loss {:.4f}\n",
             study::classification_report(matrix, classifier.classes), order.size(),
             100 * result.scores.accuracy, result.scores.loss);
}

}  // namespace

void add_val(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("val", "Measure a checkpoint on a folder of images");
  verb->footer(
      "Example:\n  signet val runs/study/study1/weights/resnet18-layer4-best.safetensors --data asl_dataset");
  add_config_flag(*verb);
  auto flags = std::make_shared<ValFlags>();
  verb->add_option("checkpoint", flags->checkpoint, "A checkpoint written by signet")->required();
  flags->data.add_to(*verb);
  add_batch_size(*verb, flags->batch_size);
  flags->compute.add_to(*verb);
  verb->callback([flags] { run(*flags); });
}

}  // namespace signet::apps
