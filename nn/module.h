#pragma once
// Modules: named tensors in a tree, with the three facts about training kept apart:
//   trainable    whether the parameters get gradients                         (set_trainable)
//   statistics   whether a batchnorm in training mode uses the batch's own    (set_batch_statistics)
//   training     training or evaluation mode: dropout and batchnorm           (set_training)
// Changing one never changes another.

#include <functional>
#include <string>
#include <vector>

#include "kernels/philox.h"
#include "tensor/tensor.h"

namespace signet::nn {

/// How a parameter's axes are ordered in a checkpoint, which is torchvision's order.
enum class FileLayout {
  same,            ///< as in memory
  channels_first,  ///< memory [O, H, W, C], file [O, C, H, W]
};

/// A tensor of a module under its full name, e.g. "layer4.1.conv2.weight".
struct NamedTensor {
  std::string name;
  Tensor* tensor;
  FileLayout layout = FileLayout::same;
  /// Shape in memory before any flattening; for channels_first, [O, H, W, C]. A linear layer behind a
  /// flattened image is stored as [out, H*W*C] and exchanged as [out, C*H*W].
  Shape layout_shape;
};

class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// All parameters or buffers below this module, in the order of registration.
  std::vector<NamedTensor> parameters();
  std::vector<NamedTensor> buffers();
  /// Calls visitor(full name, module) for this module (name "") and everything below it, in order.
  void visit(const std::function<void(const std::string&, Module&)>& visitor);

  void set_training(bool training);
  bool training() const { return training_; }
  void set_trainable(bool trainable);
  void set_batch_statistics(bool batch_statistics);
  bool batch_statistics() const { return batch_statistics_; }
  /// The key from which every Dropout below draws its next mask (each its own).
  void set_random_key(PhiloxKey key);
  /// This module's own, in the memory of a device (nn::key_tensor): the same tensor each time, which
  /// set_random_key overwrites.
  const Tensor& random_key(Device device) const;
  /// Number of elements of all parameters, or of the trainable ones.
  int64_t parameter_count(bool trainable_only = false);

 protected:
  /// Registered members must live as long as the module; parameters start out trainable.
  void add_parameter(std::string name, Tensor& tensor, FileLayout layout = FileLayout::same,
                     Shape layout_shape = {});
  void add_buffer(std::string name, Tensor& tensor);
  void add_module(std::string name, Module& module);

 private:
  void visit(const std::string& prefix, const std::function<void(const std::string&, Module&)>& visitor);

  std::vector<NamedTensor> own_parameters_, own_buffers_;
  std::vector<std::pair<std::string, Module*>> children_;
  bool training_ = true;
  bool batch_statistics_ = true;
  PhiloxKey random_key_;
  mutable Tensor key_tensor_;  // where random_key_ was asked for last
};

}  // namespace signet::nn
