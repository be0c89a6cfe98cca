#pragma once
// What is to be trained: the phases of a study as data.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/augment.h"
#include "data/folds.h"
#include "tensor/device.h"

namespace signet::study {

/// How one phase trains.
struct TrainingOptions {
  int epochs = 10;
  int batch_size = 32;
  double lr = 0.002;
  std::string optimizer = "adam";         ///< adam, adamw or sgd
  std::string lr_scheduler = "constant";  ///< constant, step, cosine, onecycle or plateau; per epoch
  double weight_decay = 0;
  double momentum = 0.9;  ///< sgd only
  bool nesterov = false;  ///< sgd only
  double label_smoothing = 0;
  bool class_weights = false;  ///< weigh the loss by the inverse of the classes' frequencies
  double clip_grad = 0;        ///< bound on the gradients' joint norm; 0: none
  int patience = 0;            ///< stop after so many epochs without a lower validation loss; 0: never
};

/// One row of the comparison table: a network, how much of it is trained, and from where it starts.
struct ModelPlan {
  std::string name;               ///< "resnet18-layer4"
  std::string phase;              ///< "scratch", "fc", "layer4", …: the last part of the name
  std::string architecture;       ///< what models::make_network takes
  int image_size = 0;             ///< 0: the architecture's own
  int width = 64;                 ///< ResNet only
  std::string first_trainable;    ///< the first stage that is trained; "" trains everything
  bool batch_statistics = false;  ///< frozen batchnorms use and move the batch's statistics (--bn train)
  bool pretrained = false;        ///< starts from the study's weights, with a new head
  bool keep_head = false;         ///< … unless their head has the right size
  std::string continues;  ///< the plan whose kept weights each fold starts from, head included; "" for none
  /// Whether the weights of the epoch with the lowest validation loss are kept (epoch 0, before training,
  /// counts) rather than the last epoch's.
  bool keep_best = false;
  std::vector<int>
      folds;  ///< which folds to run; empty: all, or for a continued plan the best fold of the former
  bool all_folds = true;
  TrainingOptions training;
};

/// A whole run.
struct StudyOptions {
  std::filesystem::path data;
  std::filesystem::path weights;  ///< a checkpoint for the pretrained plans
  std::string name_pattern;       ///< "" for the data set's usual names
  bool skip_bad = false;
  int64_t cache_mb = 1024;  ///< bound on decoded images kept in memory

  std::string verb = "study";
  std::string name = "study";
  std::filesystem::path output;  ///< "" for a numbered folder below `runs`
  std::filesystem::path runs = "runs";
  bool resume = false;
  bool dry_run = false;  ///< check everything, say what would be done, and stop before the first file

  std::vector<data::Split> splits{
      data::Split::random};  ///< the first is the run's own, others go to subfolders
  int folds = 5;
  uint64_t seed = 0;
  data::Augmentation augmentation;
  bool augment = true;
  /// How many augmented views of the images a head on a frozen trunk is trained on, epoch after epoch in
  /// turn; 0: new ones each epoch. The trunk runs once a view.
  int views = 0;
  bool share_trunk = true;  ///< run a frozen trunk once for all folds; the results are the same either way
  bool original_table = false;  ///< print the original study's figures below the table
  bool tensorboard = false;     ///< write event files for TensorBoard too
  Device device;
  std::string precision = "f32";  ///< f32, bf16 or, on a CUDA device, tf32; said in args.json, not set by it
  std::vector<ModelPlan> plans;
  /// The flags that these options come from, like "--models=mlp,cnn"; kept in args.json for a replay.
  std::vector<std::string> flags;
  std::filesystem::path replayed;  ///< the args.json whose flags they are; "" for none
};

/// The recipe of the original study: mlp and cnn from scratch, ResNet18 with only its head trained, then with
/// layer4 and with layer3 too. `training` is that of the cross-validated phases; fine-tuning has its own rate
/// and length.
struct RecipeOptions {
  TrainingOptions training;
  double finetune_lr = 1e-4;
  int finetune_epochs = 5;
  int finetune_patience = 3;
  std::string finetune_folds = "best";  ///< best, all, or numbers like 0,2 (folds count from 0)
  bool batch_statistics = false;
  int image_size = 0;
  int width = 64;
  std::string architecture = "resnet18";
  std::vector<std::string> models{"mlp", "cnn", "fc", "layer4", "layer3"};  ///< which rows of the table
};

/// Throws Error for an unknown row, and for layer4 or layer3 without what it continues.
std::vector<ModelPlan> recipe_plans(const RecipeOptions& options);

/// Reads --finetune-folds into a plan. Throws Error for anything but best, all, or a list of numbers.
void set_folds(ModelPlan& plan, const std::string& text);

}  // namespace signet::study
