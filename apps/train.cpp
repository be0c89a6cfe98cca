// cv, train and finetune: one model, on all folds or on one.

#include "apps/flags.h"
#include "apps/verbs.h"
#include "models/network.h"
#include "tensor/error.h"

namespace signet::apps {
namespace {

struct TrainFlags {
  RunFlags run;
  study::ModelPlan plan;
  std::string freeze, bn = "frozen";
  bool finetune = false;
  bool one_fold = false;
  int val_fold = 0;
};

/// The stage after the one named, skipping stages without parameters.
std::string stage_after(const study::ModelPlan& plan, const std::string& frozen) {
  if (frozen == "none") return "";
  const auto network = models::make_network(plan.architecture, 2, plan.image_size, plan.width);
  int stage = network->stage_index(frozen) + 1;
  while (stage < network->stage_count() && network->stage_modules(stage).empty()) ++stage;
  if (stage >= network->stage_count()) fail("--freeze {}: would leave nothing to train", frozen);
  return network->stages()[size_t(stage)];
}

void run(TrainFlags& flags) {
  auto options = flags.run.resolve();
  study::ModelPlan plan = flags.plan;
  plan.pretrained = !options.weights.empty();
  if (flags.freeze.empty()) flags.freeze = !plan.pretrained ? "none" : flags.finetune ? "layer3" : "layer4";
  if (!plan.pretrained && flags.freeze != "none") {
    fail("--freeze {}: freezing random weights teaches nothing; give pretrained ones with --weights",
         flags.freeze);
  }
  if (flags.finetune && !plan.pretrained) fail("finetune starts from a checkpoint: name it with --weights");
  if (flags.bn != "frozen" && flags.bn != "train") fail("--bn {}: use frozen or train", flags.bn);
  plan.batch_statistics = flags.bn == "train";
  plan.first_trainable = stage_after(plan, flags.freeze);
  plan.phase = plan.first_trainable.empty() ? "scratch" : plan.first_trainable;
  if (plan.first_trainable.empty() && plan.pretrained) plan.phase = "all";
  plan.name = plan.phase == "scratch" ? plan.architecture : plan.architecture + "-" + plan.phase;
  plan.keep_head = plan.keep_best = flags.finetune;
  if (flags.one_fold) {
    plan.all_folds = false;
    plan.folds = {flags.val_fold};
  }
  options.plans = {plan};
  run_interruptibly(options);
}

void add_verb(CLI::App& app, const std::string& name, const std::string& help, const std::string& example,
              bool one_fold, bool finetune) {
  CLI::App* verb = app.add_subcommand(name, help);
  verb->footer("Example:\n  " + example);
  auto flags = std::make_shared<TrainFlags>();
  flags->one_fold = one_fold;
  flags->finetune = finetune;
  flags->plan.architecture = "resnet18";
  if (finetune) {
    flags->plan.training.lr = 1e-4;
    flags->plan.training.epochs = 5;
    flags->plan.training.patience = 1;
  }
  flags->run.options.verb = flags->run.options.name = name;
  flags->run.add_to(*verb, false);
  add_training_flags(*verb, flags->plan.training);
  verb->add_option("--model", flags->plan.architecture, "resnet18, resnet34, mlp or cnn")
      ->capture_default_str();
  verb->add_option("--image-size", flags->plan.image_size,
                   "Height and width of the input; 0 for the model's own");
  verb->add_option("--width", flags->plan.width, "Channels of a ResNet's first stage")->capture_default_str();
  verb->add_option("--freeze", flags->freeze,
                   "Freeze the stages up to and including this one (conv1, layer1 … layer4), or none");
  verb->add_option("--bn", flags->bn,
                   "Batchnorm of frozen stages: frozen statistics, or train (the batch's own)");
  if (one_fold)
    verb->add_option("--val-fold", flags->val_fold, "The fold to validate on")->capture_default_str();
  verb->callback([flags] { run(*flags); });
}

}  // namespace

void add_train_verbs(CLI::App& app) {
  add_verb(app, "cv", "Cross-validate one model",
           "signet cv --data asl_dataset --model resnet18 --weights resnet18-f37072fd.pth --split signer",
           false, false);
  add_verb(app, "train", "Train one model, validating on one fold",
           "signet train --data asl_dataset --model cnn --epochs 20", true, false);
  add_verb(app, "finetune", "Go on from a checkpoint, with early stopping and rollback to the best epoch",
           "signet finetune --data asl_dataset --weights "
           "runs/train/train1/weights/resnet18-fc-best.safetensors --freeze layer3",
           true, true);
}

}  // namespace signet::apps
