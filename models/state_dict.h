#pragma once
// Moving weights between a network and an archive, by torchvision's names and axis order.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/archive.h"
#include "models/network.h"

namespace signet::models {

/// What became of the tensors of a checkpoint.
struct LoadReport {
  std::vector<std::string> used;
  std::vector<std::string>
      skipped;  ///< "fc.weight [1000, 512]: the network has [36, 512]", "foo: not in the network"
  std::vector<std::string> missing;  ///< tensors of the network that the checkpoint does not have
};

/// Copies an archive into a network. With `new_head` the tensors of the last stage may be of another size or
/// absent: they are left as they are. Anything else that does not fit throws Error naming `source`, the
/// tensors and the remedy; so does a value that is NaN or infinite, or a negative running variance. On an
/// error the network is unchanged.
LoadReport load_weights(Network& network, const Archive& archive, const std::string& source,
                        bool new_head = false);

/// Names of the parameters of a network's last stage.
std::vector<std::string> head_names(Network& network);

/// The network's tensors in the files' axis order, batchnorm counters ("num_batches_tracked") included.
Archive save_weights(Network& network);

/// The stage of every parameter and buffer of a network, by the tensor's name.
std::map<std::string, int> tensor_stages(Network& network);

/// A deep copy of the parameters, buffers and batchnorm counters of a network's stages from `first_stage` on,
/// for rolling back to an earlier epoch and for resuming a run to the same bits.
class Snapshot {
 public:
  Snapshot() = default;
  explicit Snapshot(Network& network, int first_stage = 0);

  bool empty() const { return tensors_.empty(); }
  /// Copies everything back, by name. Throws std::invalid_argument if the network lacks a tensor.
  void restore(Network& network) const;
  /// Adds everything to an archive, in memory's axis order, under prefix + name; and reads it from there.
  void append_to(Archive& archive, const std::string& prefix) const;
  static Snapshot read_from(const Archive& archive, const std::string& prefix);

 private:
  std::vector<std::pair<std::string, Tensor>> tensors_;
  std::vector<std::pair<std::string, int64_t>> counters_;
};

/// A float32 or int64 array from memory.
Array to_array(const Tensor& tensor);
Array to_array(int64_t value);
/// The inverse, on the CPU; throws Error for another type.
Tensor to_tensor(const Array& array);

/// Values of shape `ohwc` from [O, H, W, C] to [O, C, H, W], and back.
std::vector<float> to_channels_first(const float* values, const Shape& ohwc);
std::vector<float> to_channels_last(const float* values, const Shape& ohwc);

}  // namespace signet::models
