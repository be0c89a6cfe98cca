#include <algorithm>
#include <filesystem>
#include <numeric>

#include "apps/flags.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "data/decode.h"
#include "data/store.h"
#include "kernels/kernels.h"
#include "nn/functions.h"
#include "study/checkpoint.h"
#include "study/csv.h"
#include "study/metrics.h"
#include "study/source.h"
#include "tensor/autograd.h"
#include "tensor/error.h"

namespace signet::apps {
namespace {

namespace fs = std::filesystem;

struct PredictFlags {
  std::string checkpoint;
  std::vector<std::string> images;
  int top = 1;
  bool csv = false;
  ComputeFlags compute;
};

/// The image files named, and those below the folders named, sorted.
std::vector<fs::path> find_images(const std::vector<std::string>& named) {
  std::vector<fs::path> files;
  for (const auto& name : named) {
    if (!fs::exists(name)) fail("{}: there is no such file or folder; check the name", name);
    if (!fs::is_directory(name)) {
      files.emplace_back(name);
      continue;
    }
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(name)) {
      if (entry.is_regular_file() && data::is_image_name(entry.path().filename().string()))
        found.push_back(entry.path());
    }
    if (found.empty()) fail("{}: holds no .jpg, .jpeg or .png file", name);
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

/// The image as the network takes it: [1, size, size, channels].
Tensor input_of(const fs::path& file, const models::InputSpec& spec, Device device) {
  const auto preprocessing = study::preprocessing_of(spec);
  const data::Image image = data::prepare(data::load_image(file), preprocessing.spec());
  const Tensor x = Tensor::empty({1, spec.size, spec.size, spec.channels});
  const ImageWarp identity;
  cpu::image_warp(x.data(), image.pixels.data(), &identity, spec.mean.data(), spec.deviation.data(), 1,
                  spec.size, spec.size, spec.channels);
  return x.to(device);
}

int run(const PredictFlags& flags) {
  const Device device = flags.compute.apply();
  const auto classifier = study::load_classifier(flags.checkpoint, device);
  const int classes = int(classifier.classes.size());
  if (flags.top > classes) fail("--top {}: {} knows {} classes only", flags.top, flags.checkpoint, classes);
  classifier.network->evaluate();
  const NoGrad no_grad;
  study::CsvWriter csv({"path", "rank", "class", "probability"});
  int failures = 0;
  for (const auto& file : find_images(flags.images)) {
    Tensor logits;
    try {
      logits = classifier.network->forward(input_of(file, classifier.network->input(), device));
    } catch (const Error& error) {
      fmt::print(stderr, "signet: {}\n", error.what());
      ++failures;
      continue;
    }
    const auto p = study::softmax(logits.to_vector());
    std::vector<int> order(static_cast<size_t>(classes));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return p[size_t(a)] > p[size_t(b)]; });
    std::string line = file.string();
    for (int rank = 0; rank < flags.top; ++rank) {
      const auto c = size_t(order[size_t(rank)]);
      line += fmt::format("  {} {:.1f}%", classifier.classes[c], 100 * p[c]);
      csv.row(file.string(), rank + 1, classifier.classes[c], p[c]);
    }
    if (!flags.csv) fmt::print("{}\n", line);
  }
  if (flags.csv) fmt::print("{}", csv.text());
  return failures;
}

}  // namespace

void add_predict(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("predict", "Name what images show");
  verb->footer(
      "Example:\n  signet predict runs/study/study1/weights/resnet18-layer4-best.safetensors photo.jpg "
      "folder --top 3");
  auto flags = std::make_shared<PredictFlags>();
  verb->add_option("checkpoint", flags->checkpoint, "A checkpoint written by signet")->required();
  verb->add_option("images", flags->images, "Image files and folders of them")->required();
  verb->add_option("--top", flags->top, "How many classes to name")
      ->check(whole_number(1))
      ->capture_default_str();
  verb->add_flag("--csv", flags->csv, "Print a CSV table");
  flags->compute.add_to(*verb);
  verb->callback([flags] {
    if (run(*flags) > 0) throw CLI::RuntimeError(2);
  });
}

}  // namespace signet::apps
