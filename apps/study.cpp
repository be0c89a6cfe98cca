#include "apps/flags.h"
#include "apps/values.h"
#include "apps/verbs.h"

namespace signet::apps {

void add_study(CLI::App& app) {
  CLI::App* verb = app.add_subcommand(
      "study", "The whole comparison: networks from scratch against transfer learning, cross-validated");
  verb->footer(
      "Example:\n"
      "  signet study --data asl_dataset --weights resnet18-f37072fd.pth\n"
      "  signet study --data asl_dataset --models mlp,cnn --split random,signer");
  auto run = std::make_shared<RunFlags>();
  auto recipe = std::make_shared<study::RecipeOptions>();
  auto bn = std::make_shared<std::string>("frozen");
  run->options.verb = run->options.name = "study";
  run->add_to(*verb, true);
  add_training_flags(*verb, recipe->training);
  verb->option_defaults()->group("Models");
  verb->add_option("--models", recipe->models,
                   "Rows of the table: mlp, cnn, fc, layer4, layer3; all by default")
      ->check(one_of({"mlp", "cnn", "fc", "layer4", "layer3"}))
      ->delimiter(',');
  verb->add_option("--model", recipe->architecture, "resnet18 or resnet34")
      ->check(one_of({"resnet18", "resnet34"}))
      ->capture_default_str();
  add_size_flags(*verb, recipe->image_size, recipe->width);
  add_batchnorm_flag(*verb, *bn);
  verb->option_defaults()->group("Fine-tuning");
  verb->add_option("--finetune-lr", recipe->finetune_lr, "Learning rate of layer4 and layer3")
      ->check(above_zero())
      ->capture_default_str();
  verb->add_option("--finetune-epochs", recipe->finetune_epochs, "At most so many epochs each")
      ->check(whole_number(1))
      ->capture_default_str();
  verb->add_option("--finetune-patience", recipe->finetune_patience, "Early stopping of fine-tuning")
      ->check(whole_number(0))
      ->capture_default_str();
  verb->add_option("--finetune-folds", recipe->finetune_folds, "best, all, or fold numbers from 0")
      ->capture_default_str();
  verb->add_flag("--original", run->options.original_table,
                 "Print the figures of the study that the recipe comes from below the table");
  verb->callback([verb, run, recipe, bn] {
    auto options = run->resolve(*verb);
    require_consistent(*verb, recipe->training);
    study::ModelPlan unused;
    study::set_folds(unused, recipe->finetune_folds);  // refuses what it cannot read
    adopt_from_checkpoint(*verb, options.weights, recipe->architecture, recipe->image_size, recipe->width);
    recipe->batch_statistics = *bn == "train";
    options.plans = study::recipe_plans(*recipe);
    run_interruptibly(options);
  });
}

}  // namespace signet::apps
