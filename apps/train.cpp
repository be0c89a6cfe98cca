// cv, train and finetune: one model, on all folds or on one.

#include <algorithm>

#include "apps/flags.h"
#include "apps/values.h"
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
  const auto& stages = network->stages();
  if (std::find(stages.begin(), stages.end(), frozen) == stages.end()) {
    fail("--freeze {}: {} has no such stage; use none, {}", frozen, plan.architecture, alternatives(stages));
  }
  int stage = network->stage_index(frozen) + 1;
  while (stage < network->stage_count() && network->stage_modules(stage).empty()) ++stage;
  if (stage >= network->stage_count()) fail("--freeze {}: would leave nothing to train", frozen);
  return stages[size_t(stage)];
}

bool is_resnet(const study::ModelPlan& plan) {
  return plan.architecture.starts_with("resnet");
}

std::string usual_freeze(const study::ModelPlan& plan, bool finetune) {
  if (!plan.pretrained || !is_resnet(plan)) return "none";
  return finetune ? "layer3" : "layer4";
}

void run(const CLI::App& verb, TrainFlags& flags) {
  auto options = flags.run.resolve(verb);
  study::ModelPlan plan = flags.plan;
  require_consistent(verb, plan.training);
  if (flags.finetune && options.weights.empty()) {
    fail("finetune: goes on from trained weights; name their file with --weights");
  }
  if (!flags.freeze.empty() && flags.freeze != "none" && options.weights.empty()) {
    fail("--freeze {}: freezing random weights teaches nothing; give pretrained ones with --weights",
         flags.freeze);
  }
  adopt_from_checkpoint(verb, options.weights, plan.architecture, plan.image_size, plan.width);
  if (!is_resnet(plan) && verb.count("--width") > 0) {
    fail("--width {}: {} has one width only; leave it out", plan.width, plan.architecture);
  }
  plan.pretrained = !options.weights.empty();
  if (flags.freeze.empty()) flags.freeze = usual_freeze(plan, flags.finetune);
  if (flags.bn == "train" && flags.freeze == "none") {
    fail(
        "--bn train: is about frozen stages, and none is frozen; leave it out, or freeze some with --freeze");
  }
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
    flags->plan.training.patience = 3;
  }
  flags->run.options.verb = flags->run.options.name = name;
  flags->run.add_to(*verb, false);
  add_training_flags(*verb, flags->plan.training);
  verb->option_defaults()->group("Models");
  verb->add_option("--model", flags->plan.architecture, "resnet18, resnet34, mlp or cnn")
      ->check(one_of({"resnet18", "resnet34", "mlp", "cnn"}))
      ->capture_default_str();
  add_size_flags(*verb, flags->plan.image_size, flags->plan.width);
  verb->add_option(
      "--freeze", flags->freeze,
      finetune ? "Freeze the stages up to and including this one (conv1, layer1 … layer4), or none; by "
                 "default layer3 of a ResNet"
               : "Freeze the stages up to and including this one (conv1, layer1 … layer4), or none; by "
                 "default layer4 with --weights");
  add_batchnorm_flag(*verb, flags->bn);
  if (one_fold) {
    verb->add_option("--val-fold", flags->val_fold, "The fold to validate on")
        ->check(whole_number(0))
        ->capture_default_str();
  }
  verb->callback([verb, flags] { run(*verb, *flags); });
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
