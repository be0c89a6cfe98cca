#include "apps/flags.h"

#include <csignal>

#include "apps/config_file.h"
#include "apps/values.h"
#include "kernels/cpu/bf16_products.h"
#include "kernels/cpu/conv_algorithm.h"
#include "kernels/cuda/runtime.h"
#include "kernels/parallel.h"
#include "nn/precision.h"
#include "study/checkpoint.h"
#include "study/interrupt.h"
#include "study/layer_bench.h"
#include "study/study.h"
#include "tensor/error.h"
#include "tensor/files.h"

namespace signet::apps {
namespace {

constexpr uint64_t kMostThreads = 1024;
constexpr uint64_t kMostPixelsASide = 4096;
constexpr uint64_t kWidest = 1024;
constexpr uint64_t kMostMebibytes = uint64_t{1} << 30;

void keep_activations(const std::string& precision) {
  nn::set_activation_type(precision == "bf16" ? DType::bf16 : DType::f32);
}

}  // namespace

void ComputeFlags::add_to(CLI::App& verb) {
  verb.option_defaults()->group("Computing");
  verb.add_option("-j,--threads,--workers", threads,
                  "Threads; by default one a processor. Results do not depend on it")
      ->check(whole_number(1, kMostThreads));
  verb.add_option("--device", device,
                  "auto, cpu, cuda, cuda:N, or reference (the slow kernels that define the results); auto "
                  "takes a CUDA card if there is one")
      ->capture_default_str();
  verb.add_option(
          "--precision", precision,
          "f32, bf16, or auto: bf16 where the hardware multiplies it. bf16 is how a ResNet and the cnn keep "
          "activations (the mlp stays in f32); on a CUDA card it and tf32 are also how tensor cores round "
          "the operands of products. Sums and parameters are f32 throughout")
      ->check(one_of({"auto", "f32", "tf32", "bf16"}))
      ->capture_default_str();
  verb.add_option("--conv-table", conv_table,
                  "How the CPU computes each convolution: a table from signet bench tune. Another table may "
                  "give other last bits");
}

Device ComputeFlags::apply() {
  const Device parsed = Device::parse(device);
  if (threads > 0) set_num_threads(threads);
  if (!conv_table.empty()) {
    cpu::set_conv_choices(study::parse_conv_choices(read_file(conv_table), conv_table));
  }
  if (parsed.on_host()) {
    if (precision == "tf32") {
      fail("--precision tf32: only CUDA cards round so; take bf16 or f32, or add --device cuda");
    }
    if (precision == "auto") precision = cpu::has_bf16_products() ? "bf16" : "f32";
    keep_activations(precision);
    return parsed;
  }
  const auto properties = cuda::device_properties(parsed.index);
  if (precision == "auto") precision = properties.major >= 8 ? "bf16" : "f32";
  if (precision != "f32" && properties.major < 8) {
    fail("--precision {}: {} has no tensor cores for it (compute capability {}.{}, 8.0 is needed); take f32",
         precision, properties.name, properties.major, properties.minor);
  }
  keep_activations(precision);
  cuda::set_matrix_math(precision == "tf32"   ? cuda::MatrixMath::tf32
                        : precision == "bf16" ? cuda::MatrixMath::bf16
                                              : cuda::MatrixMath::f32);
  return parsed;
}

void DataFlags::add_to(CLI::App& verb) {
  verb.option_defaults()->group("Data");
  verb.add_option("--data,--data-dir", data, "Folder with one folder of images a class")->required();
  verb.add_option("--name-pattern,--group-regex", name_pattern,
                  "Regular expression with groups that reads signer, light and take from file names");
  verb.add_flag("--skip-bad", skip_bad, "Leave out unreadable images instead of stopping");
}

void RunFlags::add_to(CLI::App& verb, bool several_splits) {
  add_config_flag(verb);
  data.add_to(verb);
  verb.add_option("--weights", options.weights,
                  "Pretrained weights (.pth or .safetensors, torchvision's names)");
  auto* split = verb.add_option(
      "--split", splits,
      several_splits ? "random, group (takes stay together) or signer (leave one out); several "
                       "with commas, the first is the main one"
                     : "random, group (takes stay together) or signer (leave one out)");
  split->check(one_of({"random", "group", "signer"}));
  if (several_splits) split->delimiter(',');
  if (!several_splits) split->expected(1);
  verb.add_option("--folds", options.folds, "Number of folds")->check(whole_number(2))->capture_default_str();
  verb.add_option("--seed", options.seed, "Seed of everything random")
      ->check(whole_number(0, std::numeric_limits<uint64_t>::max()))
      ->capture_default_str();
  verb.add_option("--cache-mb", options.cache_mb, "Memory for decoded images, MiB")
      ->check(whole_number(0, kMostMebibytes))
      ->capture_default_str();
  verb.option_defaults()->group("Augmentation of training images");
  verb.add_flag("--no-augment", no_augment, "Train on the images as they are");
  const auto add_share = [&](const char* name, double& value, const char* help, const CLI::Validator& check) {
    verb.add_option(name, value, help)->check(check)->capture_default_str();
  };
  verb.add_option(
          "--views", options.views,
          "Train the head of a frozen trunk on this many augmented views, epoch after epoch in turn: the "
          "trunk runs once a view, and more epochs cost seconds; 0: new views each epoch")
      ->check(whole_number(0))
      ->capture_default_str();
  auto& a = options.augmentation;
  add_share("--fliplr", a.fliplr, "Probability of a mirror image", from_zero_to(1));
  add_share("--degrees", a.degrees, "Rotation, ±degrees", from_zero_to(180));
  add_share("--translate", a.translate, "Shift, ± this fraction of the size", from_zero_to(1));
  add_share("--scale", a.scale, "Zoom, 1 ± this", from_zero_to_below(1));
  add_share("--brightness", a.brightness, "Brightness factor, 1 ± this", from_zero_to(1));
  add_share("--contrast", a.contrast, "Contrast factor, 1 ± this", from_zero_to(1));
  verb.add_option("--interpolation", interpolation, "Read turned images bilinearly, or nearest pixels")
      ->check(one_of({"bilinear", "nearest"}))
      ->capture_default_str();
  verb.option_defaults()->group("The run and its folder");
  verb.add_option("--output", options.output, "Folder to write; by default runs/<verb>/<name>N");
  verb.add_option("--name", options.name, "Name of the run's folder")->capture_default_str();
  verb.add_flag("--resume", options.resume, "Go on with the run in --output");
  verb.add_flag("--dry-run", options.dry_run, "Check everything and say what would be done, no more");
  verb.add_flag("--tensorboard", options.tensorboard,
                "Write event files too; tensorboard --logdir FOLDER draws them");
  compute.add_to(verb);
  verb.add_flag("--no-share-trunk", no_share_trunk,
                "Run a frozen trunk for each fold anew (same results, slower)");
}

study::StudyOptions RunFlags::resolve(const CLI::App& verb) {
  options.device = compute.apply();
  options.precision = compute.precision;
  options.data = data.data;
  options.name_pattern = data.name_pattern;
  options.skip_bad = data.skip_bad;
  options.augment = !no_augment;
  options.augmentation.nearest = interpolation == "nearest";
  options.share_trunk = !no_share_trunk;
  options.flags = given_flags(verb);
  options.replayed = replayed_run(verb);
  if (options.resume && options.output.empty()) {
    fail("--resume: name the folder of the run to go on with: --output FOLDER");
  }
  if (!options.output.empty() && verb.count("--name") > 0) {
    fail("--name {}: --output {} names the folder already; leave one of the two out", options.name,
         options.output.string());
  }
  for (const auto* flag : {"--fliplr", "--degrees", "--translate", "--scale", "--brightness", "--contrast",
                           "--interpolation", "--views"}) {
    if (no_augment && verb.count(flag) > 0) {
      fail("{}: --no-augment leaves the images as they are; leave one of the two flags out", flag);
    }
  }
  options.splits.clear();
  for (const auto& name : splits) {
    for (const auto split : {data::Split::random, data::Split::group, data::Split::signer}) {
      if (name == data::split_name(split)) options.splits.push_back(split);
    }
  }
  if (splits == std::vector<std::string>{"signer"} && verb.count("--folds") > 0) {
    fail("--folds {}: --split signer makes one fold a signer; leave --folds out", options.folds);
  }
  return options;
}

void add_batch_size(CLI::App& verb, int& batch_size) {
  constexpr uint64_t kMost = 1 << 20;
  verb.add_option("-b,--batch-size", batch_size, "Images at once")
      ->check(whole_number(1, kMost))
      ->capture_default_str();
}

void add_size_flags(CLI::App& verb, int& image_size, int& width) {
  verb.option_defaults()->group("Models");
  verb.add_option("--image-size", image_size, "Height and width of the input; 0 for the model's own")
      ->check(whole_number(0, kMostPixelsASide));
  verb.add_option("--width", width, "Channels of a ResNet's first stage")
      ->check(whole_number(1, kWidest))
      ->capture_default_str();
}

void add_batchnorm_flag(CLI::App& verb, std::string& bn) {
  verb.add_option("--bn", bn, "Batchnorm of frozen stages: frozen statistics, or train (the batch's own)")
      ->check(one_of({"frozen", "train"}))
      ->capture_default_str();
}

void add_training_flags(CLI::App& verb, study::TrainingOptions& t) {
  verb.option_defaults()->group("Training");
  verb.add_option("--epochs", t.epochs, "Passes over the training images")
      ->check(whole_number(1))
      ->capture_default_str();
  add_batch_size(verb, t.batch_size);
  verb.add_option("--lr", t.lr, "Learning rate")->check(above_zero())->capture_default_str();
  verb.add_option("--opt", t.optimizer, "adam, adamw or sgd")
      ->check(one_of({"adam", "adamw", "sgd"}))
      ->capture_default_str();
  verb.add_option("--lr-scheduler", t.lr_scheduler, "constant, step, cosine, onecycle or plateau")
      ->check(one_of({"constant", "step", "cosine", "onecycle", "plateau"}))
      ->capture_default_str();
  verb.add_option("--weight-decay", t.weight_decay, "Weight decay")
      ->check(zero_or_more())
      ->capture_default_str();
  verb.add_option("--momentum", t.momentum, "Momentum of sgd")
      ->check(from_zero_to_below(1))
      ->capture_default_str();
  verb.add_flag("--nesterov", t.nesterov, "Nesterov's momentum for sgd");
  verb.add_option("--label-smoothing", t.label_smoothing, "Label smoothing")
      ->check(from_zero_to_below(1))
      ->capture_default_str();
  verb.add_flag("--class-weights", t.class_weights, "Weigh classes by the inverse of their frequency");
  verb.add_option("--clip-grad", t.clip_grad, "Bound on the gradients' norm; 0 for none")
      ->check(zero_or_more())
      ->capture_default_str();
  verb.add_option("--patience", t.patience, "Stop after so many epochs without improvement; 0 for never")
      ->check(whole_number(0))
      ->capture_default_str();
}

void require_consistent(const CLI::App& verb, const study::TrainingOptions& training) {
  for (const auto* flag : {"--momentum", "--nesterov"}) {
    if (training.optimizer != "sgd" && verb.count(flag) > 0) {
      fail("{}: {} takes none; add --opt sgd, or leave it out", flag, training.optimizer);
    }
  }
}

void adopt_from_checkpoint(const CLI::App& verb, const std::filesystem::path& weights,
                           std::string& architecture, int& image_size, int& width) {
  if (weights.empty()) return;
  const auto form = study::read_form(weights);
  if (!form) return;
  if (verb.count("--model") == 0) architecture = form->architecture;
  if (architecture != form->architecture) return;
  if (verb.count("--image-size") == 0) image_size = form->image_size;
  if (verb.count("--width") == 0 && form->width > 0) width = form->width;
}

void run_interruptibly(const study::StudyOptions& options) {
  const auto stop = [](int signal) {
    study::request_stop();
    std::signal(signal, SIG_DFL);
  };
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
  study::run_study(options);
}

}  // namespace signet::apps
