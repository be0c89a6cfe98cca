#include "apps/flags.h"
#include "apps/verbs.h"

namespace signet::apps {

void add_study(CLI::App& app) {
  CLI::App* verb = app.add_subcommand(
      "study", "The whole comparison: networks from scratch against transfer learning, cross-validated");
  verb->footer(
      "Example:\n  signet study --data asl_dataset --weights resnet18-f37072fd.pth\n  signet study --data "
      "asl_dataset "
      "--models mlp,cnn --split random,signer");
  auto run = std::make_shared<RunFlags>();
  auto recipe = std::make_shared<study::RecipeOptions>();
  auto bn = std::make_shared<std::string>("frozen");
  run->options.verb = run->options.name = "study";
  run->options.original_table = true;
  run->add_to(*verb, true);
  add_training_flags(*verb, recipe->training);
  verb->add_option("--models", recipe->models, "Rows of the table: mlp, cnn, fc, layer4, layer3")
      ->delimiter(',');
  verb->add_option("--model", recipe->architecture, "resnet18 or resnet34")->capture_default_str();
  verb->add_option("--image-size", recipe->image_size, "Height and width of the ResNet's input; 0 for 224");
  verb->add_option("--width", recipe->width, "Channels of the ResNet's first stage")->capture_default_str();
  verb->add_option("--bn", *bn,
                   "Batchnorm of the frozen trunk: frozen statistics, or train (the batch's own)");
  verb->add_option("--finetune-lr", recipe->finetune_lr, "Learning rate of layer4 and layer3")
      ->capture_default_str();
  verb->add_option("--finetune-epochs", recipe->finetune_epochs, "At most so many epochs each")
      ->capture_default_str();
  verb->add_option("--finetune-patience", recipe->finetune_patience, "Early stopping of fine-tuning")
      ->capture_default_str();
  verb->add_option("--finetune-folds", recipe->finetune_folds, "best, all, or fold numbers from 0")
      ->capture_default_str();
  verb->callback([run, recipe, bn] {
    auto options = run->resolve();
    if (*bn != "frozen" && *bn != "train") throw CLI::ValidationError("--bn", *bn + ": use frozen or train");
    recipe->batch_statistics = *bn == "train";
    options.plans = study::recipe_plans(*recipe);
    run_interruptibly(options);
  });
}

}  // namespace signet::apps
