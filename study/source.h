#pragma once
// Where a phase's batches come from: images, or the features that a frozen trunk made of them once for all
// folds.

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "data/batches.h"
#include "models/network.h"
#include "tensor/tensor.h"

namespace signet::study {

/// One batch as a stage of a network takes it.
struct Input {
  Tensor x;
  Tensor labels;                          ///< i32 [batch], on the device of x
  std::span<const int32_t> label_values;  ///< the same, for the CPU to read
};

/// The samples of a data set in one form (one epoch's augmentation, or none).
class Source {
 public:
  virtual ~Source() = default;
  /// The stage of the network that takes `Input::x`.
  virtual int stage() const = 0;
  /// Calls `consume` for the samples of `order`, batch by batch.
  virtual void each_batch(const std::vector<int>& order, int batch_size,
                          const std::function<void(const Input&)>& consume) const = 0;
};

/// Images from the store, augmented for one epoch or as they are.
class ImageSource : public Source {
 public:
  ImageSource(const data::ImageStore& store, const models::InputSpec& input,
              std::optional<data::Augmentation> augmentation, uint64_t seed, int64_t epoch, Device device);
  int stage() const override { return 0; }
  void each_batch(const std::vector<int>& order, int batch_size,
                  const std::function<void(const Input&)>& consume) const override;

 private:
  const data::ImageStore& store_;
  data::LoaderOptions options_;
  Device device_;
};

/// Rows of a table that run_prefix made, handed out on a device; row i belongs to sample i of the data set.
class FeatureSource : public Source {
 public:
  FeatureSource(Tensor features, std::vector<int32_t> labels, int stage, Device device);
  int stage() const override { return stage_; }
  void each_batch(const std::vector<int>& order, int batch_size,
                  const std::function<void(const Input&)>& consume) const override;

 private:
  Tensor features_;
  std::vector<int32_t> labels_;
  int stage_;
  Device device_;
};

/// What stage `last` - 1 of a network in evaluation mode gives for samples `order` of a source, in a table of
/// `samples` rows (rows of samples not in `order` are zero), on the CPU: a batch is gathered there and goes
/// to a device in one copy. `progress` gets the number of samples after each batch.
Tensor run_prefix(models::Network& network, int last, const Source& source, const std::vector<int>& order,
                  int64_t samples, int batch_size, const std::function<void(int64_t)>& progress);

/// The preprocessing of the data folder for a network's input.
data::Preprocessing preprocessing_of(const models::InputSpec& input);

}  // namespace signet::study
