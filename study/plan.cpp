#include "study/plan.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "tensor/error.h"

namespace signet::study {

void set_folds(ModelPlan& plan, const std::string& text) {
  plan.folds.clear();
  plan.all_folds = text == "all";
  if (text == "all" || text == "best") return;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    int fold = -1;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), fold);
    if (error != std::errc() || end != part.data() + part.size() || fold < 0) {
      fail("--finetune-folds {}: say best, all, or fold numbers from 0 like 0,2", text);
    }
    plan.folds.push_back(fold);
  }
  if (plan.folds.empty()) fail("--finetune-folds: say best, all, or fold numbers from 0 like 0,2");
}

std::vector<ModelPlan> recipe_plans(const RecipeOptions& options) {
  static const std::vector<std::string> known{"mlp", "cnn", "fc", "layer4", "layer3"};
  std::vector<ModelPlan> plans;
  std::string former;
  for (const auto& row : known) {
    if (std::find(options.models.begin(), options.models.end(), row) == options.models.end()) continue;
    ModelPlan plan;
    plan.training = options.training;
    plan.architecture = row;
    plan.name = row;
    plan.phase = "scratch";
    if (row != "mlp" && row != "cnn") {
      plan.architecture = options.architecture;
      plan.name = options.architecture + "-" + row;
      plan.phase = row;
      plan.first_trainable = row;
      plan.image_size = options.image_size;
      plan.width = options.width;
      plan.pretrained = true;
      plan.batch_statistics = options.batch_statistics;
    }
    if (row == "layer4" || row == "layer3") {
      if (former.empty()) fail("--models: {} goes on from fc, so fc must be among the models too", row);
      plan.continues = former;
      plan.keep_best = true;
      plan.batch_statistics = false;
      plan.training.lr = options.finetune_lr;
      plan.training.epochs = options.finetune_epochs;
      plan.training.patience = options.finetune_patience;
      set_folds(plan, options.finetune_folds);
    }
    if (plan.pretrained) former = plan.name;
    plans.push_back(std::move(plan));
  }
  for (const auto& asked : options.models) {
    if (std::find(known.begin(), known.end(), asked) == known.end()) {
      fail("--models: unknown model {}; use any of {}", asked, fmt::join(known, ", "));
    }
  }
  if (plans.empty()) fail("--models: name at least one of {}", fmt::join(known, ", "));
  return plans;
}

}  // namespace signet::study
