#include "apps/flags.h"

#include <csignal>

#include "kernels/parallel.h"
#include "study/interrupt.h"
#include "study/study.h"
#include "tensor/error.h"

namespace signet::apps {

void ComputeFlags::add_to(CLI::App& verb) {
  verb.add_option("-j,--threads,--workers", threads,
                  "Threads; by default one a processor. Results do not depend on it");
  verb.add_option("--device", device, "auto, cpu, or reference (the slow kernels that define the results)");
  verb.add_option("--precision", precision, "f32");
}

Device ComputeFlags::apply() const {
  if (threads < 0) fail("--threads {}: at least 1 is needed", threads);
  if (threads > 0) set_num_threads(threads);
  if (precision != "f32") fail("--precision {}: this version computes in f32 only", precision);
  return Device::parse(device);
}

void RunFlags::add_to(CLI::App& verb, bool several_splits) {
  verb.add_option("--data,--data-dir", options.data, "Folder with one folder of images a class")->required();
  verb.add_option("--weights", options.weights,
                  "Pretrained weights (.pth or .safetensors, torchvision's names)");
  auto* split = verb.add_option(
      "--split", splits,
      several_splits ? "random, group (takes stay together) or signer (leave one out); several "
                       "with commas, the first is the main one"
                     : "random, group (takes stay together) or signer (leave one out)");
  split->delimiter(',');
  verb.add_option("--folds", options.folds, "Number of folds")->capture_default_str();
  verb.add_option("--seed", options.seed, "Seed of everything random")->capture_default_str();
  verb.add_option("--name-pattern", options.name_pattern,
                  "Regular expression with groups that reads signer, light and take from file names");
  verb.add_flag("--skip-bad", options.skip_bad, "Leave out unreadable images instead of stopping");
  verb.add_option("--cache-mb", options.cache_mb, "Memory for decoded images, MiB")->capture_default_str();
  verb.add_flag("--no-augment", no_augment, "Train on the images as they are");
  auto& a = options.augmentation;
  verb.add_option("--fliplr", a.fliplr, "Probability of a mirror image")->capture_default_str();
  verb.add_option("--degrees", a.degrees, "Rotation, ±degrees")->capture_default_str();
  verb.add_option("--translate", a.translate, "Shift, ± this fraction of the size")->capture_default_str();
  verb.add_option("--scale", a.scale, "Zoom, 1 ± this")->capture_default_str();
  verb.add_option("--brightness", a.brightness, "Brightness factor, 1 ± this")->capture_default_str();
  verb.add_option("--contrast", a.contrast, "Contrast factor, 1 ± this")->capture_default_str();
  verb.add_flag("--no-share-trunk", no_share_trunk,
                "Run a frozen trunk for each fold anew (same results, slower)");
  verb.add_option("--output", options.output, "Folder to write; by default runs/<verb>/<name>N");
  verb.add_option("--name", options.name, "Name of the run's folder")->capture_default_str();
  verb.add_flag("--resume", options.resume, "Go on with the run in --output");
  compute.add_to(verb);
}

study::StudyOptions RunFlags::resolve() {
  options.device = compute.apply();
  options.augment = !no_augment;
  options.share_trunk = !no_share_trunk;
  if (options.resume && options.output.empty()) fail("--resume: name the run's folder with --output");
  if (options.cache_mb < 0) fail("--cache-mb {}: must not be negative", options.cache_mb);
  options.splits.clear();
  for (const auto& name : splits) {
    bool known = false;
    for (const auto split : {data::Split::random, data::Split::group, data::Split::signer}) {
      if (name == data::split_name(split)) {
        options.splits.push_back(split);
        known = true;
      }
    }
    if (!known) fail("--split {}: unknown split; use random, group or signer", name);
  }
  return options;
}

void add_training_flags(CLI::App& verb, study::TrainingOptions& t) {
  verb.add_option("--epochs", t.epochs, "Passes over the training images")->capture_default_str();
  verb.add_option("-b,--batch-size", t.batch_size, "Images a step")->capture_default_str();
  verb.add_option("--lr", t.lr, "Learning rate")->capture_default_str();
  verb.add_option("--opt", t.optimizer, "adam, adamw or sgd")->capture_default_str();
  verb.add_option("--lr-scheduler", t.lr_scheduler, "constant, step, cosine, onecycle or plateau")
      ->capture_default_str();
  verb.add_option("--weight-decay", t.weight_decay, "Weight decay")->capture_default_str();
  verb.add_option("--momentum", t.momentum, "Momentum of sgd")->capture_default_str();
  verb.add_flag("--nesterov", t.nesterov, "Nesterov's momentum for sgd");
  verb.add_option("--label-smoothing", t.label_smoothing, "Label smoothing")->capture_default_str();
  verb.add_flag("--class-weights", t.class_weights, "Weigh classes by the inverse of their frequency");
  verb.add_option("--clip-grad", t.clip_grad, "Bound on the gradients' norm; 0 for none")
      ->capture_default_str();
  verb.add_option("--patience", t.patience, "Stop after so many epochs without improvement; 0 for never")
      ->capture_default_str();
}

void DataFlags::add_to(CLI::App& verb) {
  verb.add_option("--data,--data-dir", data, "Folder with one folder of images a class")->required();
  verb.add_option("--name-pattern", name_pattern,
                  "Regular expression with groups that reads signer, light and take from file names");
  verb.add_flag("--skip-bad", skip_bad, "Leave out unreadable images instead of stopping");
}

void run_interruptibly(const study::StudyOptions& options) {
  const auto stop = [](int) { study::request_stop(); };
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
  study::run_study(options);
}

}  // namespace signet::apps
