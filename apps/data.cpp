#include <fmt/format.h>

#include <filesystem>

#include "apps/config_file.h"
#include "apps/flags.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "data/synthetic.h"
#include "study/check.h"
#include "tensor/error.h"

namespace signet::apps {

namespace {

void require_empty(const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) return;
  if (!std::filesystem::is_directory(folder, error)) fail("{}: is a file; name a folder to write", folder);
  if (!std::filesystem::is_empty(folder, error)) {
    fail("{}: is not empty, and images would be mixed with what is there; name another folder", folder);
  }
}

void add_check(CLI::App& data) {
  CLI::App* verb = data.add_subcommand(
      "check", "Look for what may be wrong with a data set: files, duplicates, labels, classes");
  verb->footer(
      "Example:\n"
      "  signet data check asl_dataset\n"
      "  signet data check asl_dataset --weights resnet18-f37072fd.pth");
  struct Flags {
    study::CheckOptions options;
    ComputeFlags compute;
  };
  auto flags = std::make_shared<Flags>();
  auto& options = flags->options;
  verb->add_option("folder", options.data, "Folder with one folder of images a class")->required();
  verb->add_option("--weights", options.weights,
                   "Pretrained weights of a ResNet (.pth or .safetensors), by whose features images are "
                   "compared; better than without");
  verb->add_option("--output", options.output, "Folder to write; by default runs/check/checkN");
  verb->add_option("--name-pattern,--group-regex", options.name_pattern,
                   "Regular expression with groups that reads signer, light and take from file names");
  verb->add_option("--cache-mb", options.cache_mb, "Memory for decoded images, MiB")
      ->check(whole_number(0, uint64_t{1} << 30))
      ->capture_default_str();
  verb->add_option("--seed", options.seed, "Seed of the folds")
      ->check(whole_number(0, std::numeric_limits<uint64_t>::max()))
      ->capture_default_str();
  flags->compute.add_to(*verb);
  add_config_flag(*verb);
  verb->callback([flags] {
    flags->options.device = flags->compute.apply();
    study::run_data_check(flags->options);
  });
}

}  // namespace

void add_data(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("data", "Check data sets, and make artificial ones");
  verb->require_subcommand(1);
  verb->footer("Example:\n  signet data check asl_dataset\n  signet data signs hands --signers 5");
  add_check(*verb);

  CLI::App* signs = verb->add_subcommand("signs", "Render a data set of 36 hand signs by several signers");
  signs->footer("Example:\n  signet data signs hands --signers 5");
  add_config_flag(*signs);
  auto signs_folder = std::make_shared<std::string>();
  auto sign_options = std::make_shared<data::SyntheticOptions>();
  signs->add_option("folder", *signs_folder, "Folder to write")->required();
  signs->add_option("--signers", sign_options->signers, "People, each with a hand and habits of their own")
      ->check(whole_number(1, 100))
      ->capture_default_str();
  signs->add_option("--lights", sign_options->lights, "Any of bot, dif, left, right, top")
      ->check(one_of({"bot", "dif", "left", "right", "top"}))
      ->delimiter(',')
      ->capture_default_str();
  signs->add_option("--takes", sign_options->takes, "Near-twins of one another")
      ->check(whole_number(1, 1000))
      ->capture_default_str();
  signs->add_option("--image-size", sign_options->size, "Pixels a side")
      ->check(whole_number(16, 1024))
      ->capture_default_str();
  signs->add_option("--seed", sign_options->seed, "Seed")
      ->check(whole_number(0, std::numeric_limits<uint64_t>::max()))
      ->capture_default_str();
  signs->callback([signs_folder, sign_options] {
    require_empty(*signs_folder);
    data::write_synthetic_signs(*signs_folder, *sign_options);
    fmt::print("signs of {} people written to {}\n", sign_options->signers, *signs_folder);
  });

  CLI::App* shapes =
      verb->add_subcommand("handshapes", "Render invented handshapes by other people, to pretrain on");
  shapes->footer("Example:\n  signet data handshapes shapes --signers 24");
  add_config_flag(*shapes);
  auto shapes_folder = std::make_shared<std::string>();
  auto shape_options = std::make_shared<data::SyntheticPretrainingOptions>();
  shapes->add_option("folder", *shapes_folder, "Folder to write")->required();
  shapes->add_option("--shapes", shape_options->shapes, "Classes")
      ->check(whole_number(2, 100))
      ->capture_default_str();
  shapes->add_option("--images", shape_options->images, "Images a class")
      ->check(whole_number(1, 10000))
      ->capture_default_str();
  shapes->add_option("--signers", shape_options->signers, "People")
      ->check(whole_number(1, 1000))
      ->capture_default_str();
  shapes->add_option("--image-size", shape_options->size, "Pixels a side")
      ->check(whole_number(16, 1024))
      ->capture_default_str();
  shapes->add_option("--seed", shape_options->seed, "Seed")
      ->check(whole_number(0, std::numeric_limits<uint64_t>::max()))
      ->capture_default_str();
  shapes->callback([shapes_folder, shape_options] {
    require_empty(*shapes_folder);
    data::write_synthetic_pretraining(*shapes_folder, *shape_options);
    fmt::print("{} handshapes written to {}\n", shape_options->shapes, *shapes_folder);
  });
}

}  // namespace signet::apps
