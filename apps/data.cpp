#include <fmt/format.h>

#include "apps/flags.h"
#include "apps/verbs.h"
#include "data/synthetic.h"

namespace signet::apps {

void add_data(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("data", "Make data sets");
  verb->require_subcommand(1);

  CLI::App* signs = verb->add_subcommand("signs", "Render a data set of 36 hand signs by several signers");
  signs->footer("Example:\n  signet data signs hands --signers 5");
  auto signs_folder = std::make_shared<std::string>();
  auto sign_options = std::make_shared<data::SyntheticOptions>();
  signs->add_option("folder", *signs_folder, "Folder to write")->required();
  signs->add_option("--signers", sign_options->signers, "People, each with a hand and habits of their own")
      ->capture_default_str();
  signs->add_option("--lights", sign_options->lights, "Any of bot, dif, left, right, top")->delimiter(',');
  signs->add_option("--takes", sign_options->takes, "Near-twins of one another")->capture_default_str();
  signs->add_option("--image-size", sign_options->size, "Pixels a side")->capture_default_str();
  signs->add_option("--seed", sign_options->seed, "Seed")->capture_default_str();
  signs->callback([signs_folder, sign_options] {
    data::write_synthetic_signs(*signs_folder, *sign_options);
    fmt::print("signs of {} people written to {}\n", sign_options->signers, *signs_folder);
  });

  CLI::App* shapes =
      verb->add_subcommand("handshapes", "Render invented handshapes by other people, to pretrain on");
  shapes->footer("Example:\n  signet data handshapes shapes --signers 24");
  auto shapes_folder = std::make_shared<std::string>();
  auto shape_options = std::make_shared<data::SyntheticPretrainingOptions>();
  shapes->add_option("folder", *shapes_folder, "Folder to write")->required();
  shapes->add_option("--shapes", shape_options->shapes, "Classes")->capture_default_str();
  shapes->add_option("--images", shape_options->images, "Images a class")->capture_default_str();
  shapes->add_option("--signers", shape_options->signers, "People")->capture_default_str();
  shapes->add_option("--image-size", shape_options->size, "Pixels a side")->capture_default_str();
  shapes->add_option("--seed", shape_options->seed, "Seed")->capture_default_str();
  shapes->callback([shapes_folder, shape_options] {
    data::write_synthetic_pretraining(*shapes_folder, *shape_options);
    fmt::print("{} handshapes written to {}\n", shape_options->shapes, *shapes_folder);
  });
}

}  // namespace signet::apps
