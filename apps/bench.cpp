// Measures a piece of the job and prints one JSON line, to be set beside another framework's figure.

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <vector>

#include "apps/bench_layers.h"
#include "apps/config_file.h"
#include "apps/flags.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "data/median.h"
#include "data/store.h"
#include "kernels/parallel.h"
#include "models/checkpoint_file.h"
#include "models/state_dict.h"
#include "nn/precision.h"
#include "study/fold_trainer.h"
#include "study/process_info.h"
#include "tensor/autograd.h"
#include "tensor/error.h"

namespace signet::apps {
namespace {

struct BenchFlags {
  std::string name;
  int batch = 32;
  int image_size = 0;
  int repetitions = 8;
  int limit = 640;
  int epochs = 10;
  int folds = 1;
  std::string data, weights, model = "resnet18", svg, output;
  bool scaling = false, json = false;
  ComputeFlags compute;
};

constexpr int kClasses = 36;

/// What was measured; `speedup` over one thread where that was.
void report(const BenchFlags& flags, const std::string& what, double img_s, double seconds,
            std::optional<double> speedup = {}) {
  if (flags.json) {
    fmt::print(
        "{{\"what\": \"{}\", \"img_s\": {:.2f}, \"s\": {:.5f}, \"batch\": {}, \"threads\": {}, {}"
        "\"precision\": \"{}\", "
        "\"peak_rss_mb\": {:.1f}}}\n",
        what, img_s, seconds, flags.batch, num_threads(),
        speedup ? fmt::format("\"over_one_thread\": {:.3f}, ", *speedup) : "", flags.compute.precision,
        study::peak_rss_mb());
  } else {
    fmt::print("{}: {:.1f} img/s ({:.4f} s), batch {}, {} threads{}, peak memory {:.0f} MB\n", what, img_s,
               seconds, flags.batch, num_threads(),
               speedup ? fmt::format(" ({:.2f} times as fast as one)", *speedup) : "", study::peak_rss_mb());
  }
}

/// Times calls of `body`, which takes flags.batch images, on a device, and reports the median. With --scaling
/// each call stands beside one on a single thread, and the median of their ratios is reported too.
void measure(const BenchFlags& flags, Device device, const std::string& what,
             const std::function<void()>& body) {
  const auto call = [&] {
    body();
    synchronize(device);
  };
  if (!flags.scaling) {
    constexpr int kWarmUps = 2;
    const double seconds = study::median_seconds(kWarmUps, flags.repetitions, call);
    return report(flags, what, flags.batch / seconds, seconds);
  }
  // The first call of new threads makes their memory and does not count.
  const auto seconds_with = [&](int threads) {
    set_num_threads(threads);
    return study::median_seconds(1, 1, call);
  };
  const int threads = num_threads();
  std::vector<double> together, ratios;
  for (int i = 0; i < flags.repetitions; ++i) {
    const double alone = seconds_with(1);
    together.push_back(seconds_with(threads));
    ratios.push_back(alone / together.back());
  }
  const double seconds = data::median(together);
  report(flags, what, flags.batch / seconds, seconds, data::median(ratios));
}

std::unique_ptr<models::Network> network_for(const BenchFlags& flags, int classes, Device device) {
  auto network = models::make_network(flags.model, classes, flags.image_size, 64, device);
  network->initialize({1, 2});
  if (!flags.weights.empty()) {
    models::load_weights(*network, models::read_checkpoint(flags.weights), flags.weights, true);
  }
  return network;
}

Tensor random_images(const models::Network& network, int batch, Device device) {
  const auto input = network.input();
  const Tensor x = Tensor::empty({batch, input.size, input.size, input.channels});
  cpu::random_normal(x.data(), 0, 1, {3, 4}, x.size());
  return x.to(device);
}

void bench_inference(const BenchFlags& flags, Device device) {
  const auto network = network_for(flags, 1000, device);
  network->evaluate();
  const Tensor x = random_images(*network, flags.batch, device);
  const NoGrad no_grad;
  measure(flags, device, "infer", [&] { network->forward(x); });
}

void bench_step(const BenchFlags& flags, Device device, bool layer4) {
  const auto network = network_for(flags, kClasses, device);
  network->freeze_before(layer4 ? network->stage_index("layer4") : 0);
  std::vector<optim::NamedParameter> trainable;
  for (const auto& p : network->parameters()) {
    if (p.tensor->requires_grad()) trainable.push_back({p.name, *p.tensor});
  }
  const auto adam = optim::make_adam(trainable);
  const Tensor x = random_images(*network, flags.batch, device);
  std::vector<int32_t> labels(size_t(flags.batch));
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = int32_t(i % kClasses);
  const study::Input input{x, Tensor::from(labels, {flags.batch}, device), labels};
  study::TrainingStep step(*network, trainable, {});
  measure(flags, device, layer4 ? "layer4" : "step", [&] {
    step.run(input, 0);
    adam->step(1e-4);
  });
}

/// The first --limit images of the data folder, spread over its classes.
data::Dataset limited(const BenchFlags& flags) {
  if (flags.data.empty()) fail("bench {}: reads images; name their folder with --data", flags.name);
  auto dataset = data::scan_dataset(flags.data);
  const auto all = dataset.samples;
  const size_t wanted = flags.limit > 0 ? std::min(all.size(), size_t(flags.limit)) : all.size();
  dataset.samples.clear();
  for (size_t i = 0; i < wanted; ++i) dataset.samples.push_back(all[i * all.size() / wanted]);
  return dataset;
}

/// Decodes the images and trains `folds` networks on all of them, as many at a time as there are threads, as
/// a study does; the rate counts every image of every epoch and network, decoding included.
void bench_training(const BenchFlags& flags, Device device, const std::string& what, const std::string& model,
                    int epochs, int folds = 1) {
  const study::Stopwatch watch;
  auto dataset = limited(flags);
  const int classes = dataset.num_classes();
  BenchFlags with_model = flags;
  with_model.model = model;
  const auto input = network_for(with_model, classes, device)->input();
  const data::ImageStore store(std::move(dataset), {study::preprocessing_of(input).spec()});
  study::FoldSamples samples;
  samples.classes = classes;
  for (const auto& sample : store.dataset().samples) samples.labels.push_back(sample.label);
  samples.train.resize(samples.labels.size());
  std::iota(samples.train.begin(), samples.train.end(), 0);
  samples.validation = {0};
  study::ModelPlan plan;
  plan.name = plan.architecture = model;
  plan.first_trainable = what == "fconly" ? "fc" : "";
  plan.training.epochs = epochs;
  plan.training.batch_size = flags.batch;
  std::vector<int64_t> images(size_t(folds), 0);
  const auto train = [&](int fold) {
    study::FoldTrainer trainer(plan, fold, network_for(with_model, classes, device), 0, samples, 0);
    const study::ImageSource validation(store, input, {}, 0, 0, device);
    for (int epoch = 1; epoch <= epochs; ++epoch) {
      const study::ImageSource source(store, input, data::Augmentation{}, 0, epoch, device);
      images[size_t(fold)] += trainer.run_epoch(&source, validation, [](int64_t) {}).train.count;
    }
  };
  for (int fold = 0; fold < folds; fold += num_threads()) {
    parallel_for(std::min(num_threads(), folds - fold), [&](int64_t i) { train(fold + int(i)); });
  }
  const auto trained = std::accumulate(images.begin(), images.end(), int64_t{0});
  report(flags, what, double(trained) / watch.seconds(), watch.seconds());
}

void bench_data(const BenchFlags& flags, Device device) {
  const study::Stopwatch watch;
  auto dataset = limited(flags);
  models::InputSpec input;
  if (flags.image_size > 0) input.size = flags.image_size;
  const data::ImageStore store(std::move(dataset), {study::preprocessing_of(input).spec()});
  std::vector<int> order(size_t(store.dataset().size()), 0);
  std::iota(order.begin(), order.end(), 0);
  for (int epoch = 1; epoch <= flags.epochs; ++epoch) {
    const study::ImageSource source(store, input, data::Augmentation{}, 0, epoch, device);
    source.each_batch(order, flags.batch, [](const study::Input&) {});
  }
  report(flags, "data", double(order.size()) * flags.epochs / watch.seconds(), watch.seconds());
}

void bench_convolutions(const BenchFlags& flags, Device device) {
  if (device != Device()) fail("bench {}: measures the CPU's kernels; leave --device out", flags.name);
  const auto network = network_for(flags, 1000, device);
  const LayerBenchOptions options{flags.batch, flags.repetitions, nn::activation_type(),
                                  flags.json,  flags.svg,         flags.output};
  if (flags.name == "layers") return bench_layers(*network, options);
  if (flags.output.empty()) fail("bench tune: writes a table; name its file with --output");
  bench_tune(*network, options);
}

void run(BenchFlags& flags) {
  if (!flags.svg.empty() && flags.name != "layers")
    fail("bench {}: only layers draws; leave --svg out", flags.name);
  if (!flags.output.empty() && flags.name != "tune") {
    fail("bench {}: only tune writes a table; leave --output out", flags.name);
  }
  if (flags.folds > 1 && flags.name != "scratch")
    fail("bench {}: only scratch trains several networks; leave --folds out", flags.name);
  if (flags.scaling && flags.name != "infer" && flags.name != "step" && flags.name != "layer4")
    fail("bench {}: only infer, step and layer4 count threads; leave --scaling out", flags.name);
  const Device device = flags.compute.apply();
  if (flags.scaling && device != Device())
    fail("bench {}: --scaling counts the CPU's threads; leave it or --device out", flags.name);
  if (flags.scaling && num_threads() == 1)
    fail("bench {}: --scaling compares several threads with one; ask for more --threads, or leave it out",
         flags.name);
  if (flags.folds > 1 && !device.on_host())
    fail("bench scratch: folds are trained side by side on the CPU; leave --device or --folds out");
  if (flags.name == "layers" || flags.name == "tune") return bench_convolutions(flags, device);
  if (flags.name == "infer") return bench_inference(flags, device);
  if (flags.name == "step") return bench_step(flags, device, false);
  if (flags.name == "layer4") return bench_step(flags, device, true);
  if (flags.name == "fconly") return bench_training(flags, device, "fconly", flags.model, 1);
  if (flags.name == "data") return bench_data(flags, device);
  bench_training(flags, device, "scratch-mlp", "mlp", flags.epochs, flags.folds);
  bench_training(flags, device, "scratch-cnn", "cnn", flags.epochs, flags.folds);
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("bench", "Measure a piece of the job");
  verb->footer(
      "Example:\n"
      "  signet bench step --batch 32 --threads 2 --json\n"
      "  signet bench scratch --data asl_dataset\n"
      "  signet bench layers --svg roofline.svg\n"
      "  signet bench tune --output conv-table.json");
  add_config_flag(*verb);
  auto flags = std::make_shared<BenchFlags>();
  verb->add_option("name", flags->name,
                   "infer, step, layer4 (random images); fconly, data, scratch (image files); layers (each "
                   "convolution); tune (each convolution by every algorithm)")
      ->check(one_of({"infer", "step", "layer4", "fconly", "data", "scratch", "layers", "tune"}))
      ->required();
  verb->add_option("-b,--batch,--batch-size", flags->batch, "Images at once")
      ->check(whole_number(1))
      ->capture_default_str();
  verb->add_option("--repetitions", flags->repetitions, "Timed calls, of which the median counts")
      ->check(whole_number(1))
      ->capture_default_str();
  verb->add_option("--data,--data-dir", flags->data, "Image folder for fconly, data and scratch");
  verb->add_option("--weights", flags->weights, "Pretrained weights (speed does not depend on them)");
  verb->add_option("--limit", flags->limit, "Use so many of the images; 0 for all")
      ->check(whole_number(0))
      ->capture_default_str();
  verb->add_option("--epochs", flags->epochs, "Epochs of data and scratch, which decode the files once")
      ->check(whole_number(1))
      ->capture_default_str();
  verb->add_option("--folds", flags->folds,
                   "Networks that scratch trains of each kind, on one thread each as a study does")
      ->check(whole_number(1))
      ->capture_default_str();
  verb->add_flag("--scaling", flags->scaling,
                 "Have infer, step and layer4 time one thread in turn with all, and say how many times as "
                 "fast they are (median of the turns)");
  verb->add_option("--image-size", flags->image_size, "Height and width of the input; 0 for the model's own")
      ->check(whole_number(0));
  verb->add_option("--model", flags->model, "resnet18 or resnet34")
      ->check(one_of({"resnet18", "resnet34"}))
      ->capture_default_str();
  verb->add_option("--svg", flags->svg, "Where layers draws its passes under the processor's roofline");
  verb->add_option("-o,--output", flags->output,
                   "Where tune writes the fastest algorithms, for --conv-table");
  verb->add_flag("--json", flags->json, "Print JSON, one line a figure");
  flags->compute.add_to(*verb);
  verb->callback([flags] { run(*flags); });
}

}  // namespace signet::apps
