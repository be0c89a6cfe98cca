// Trains a small network on a folder that holds one folder of images a class, and saves it as a checkpoint
// that `signet predict` and `signet serve` read:   train_folder FOLDER CHECKPOINT [EPOCHS]

#include <fmt/format.h>

#include "data/folds.h"
#include "data/store.h"
#include "optim/optimizer.h"
#include "study/checkpoint.h"
#include "study/fold_trainer.h"
#include "study/source.h"
#include "study/training_step.h"
#include "tensor/error.h"

using namespace signet;

int main(int argc, char** argv) try {
  if (argc < 3) fail("train_folder: name a folder of images and a file for the network");
  const int epochs = argc > 3 ? std::stoi(argv[3]) : 5;
  constexpr int kFolds = 5, kBatch = 32;
  constexpr uint64_t kSeed = 0;

  auto dataset = data::scan_dataset(argv[1]);
  const auto network = models::make_network("cnn", dataset.num_classes());
  const data::ImageStore images(std::move(dataset), {study::preprocessing_of(network->input()).spec()});
  const auto& classes = images.dataset().classes;
  const auto folds = data::make_folds(images.dataset(), data::Split::random, kFolds, kSeed);
  const auto training = data::training_indices(folds, 0), validation = data::validation_indices(folds, 0);

  network->initialize({kSeed, 0});
  std::vector<optim::NamedParameter> parameters;
  for (const auto& parameter : network->parameters())
    parameters.push_back({parameter.name, *parameter.tensor});
  const auto adam = optim::make_adam(parameters);
  study::TrainingStep step(*network, parameters, {});

  for (int epoch = 1; epoch <= epochs; ++epoch) {
    network->set_training(true);
    const study::ImageSource augmented(images, network->input(), data::Augmentation(), kSeed, epoch, {});
    augmented.each_batch(data::shuffled(training, kSeed, 0, epoch), kBatch, [&](const study::Input& batch) {
      network->set_random_key({kSeed, uint64_t(adam->steps())});
      step.run(batch, 0);
      adam->step(0.002);
    });
    const study::ImageSource plain(images, network->input(), {}, kSeed, 0, {});
    const auto result =
        study::evaluate(*network, plain, validation, kBatch, int(classes.size()), [](int64_t) {});
    fmt::print("epoch {}: validation accuracy {:.1f}%\n", epoch, 100 * result.scores.accuracy);
  }
  study::save_classifier(argv[2], *network, classes, kSeed);
} catch (const Error& error) {
  fmt::print(stderr, "train_folder: {}\n", error.what());
  return 2;
}
