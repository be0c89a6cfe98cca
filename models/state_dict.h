#pragma once
// Moving weights between a network and an archive, by torchvision's names and axis order.

#include <string>
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

/// The network's tensors in the files' axis order, batchnorm counters ("num_batches_tracked") included.
Archive save_weights(Network& network);

/// The same as in memory: a deep copy of parameters, buffers and counters, for rolling back to an earlier
/// epoch.
class Snapshot {
 public:
  explicit Snapshot(Network& network);
  void restore(Network& network) const;

 private:
  std::vector<Tensor> tensors_;
  std::vector<int64_t> counters_;
};

/// Values of shape `ohwc` from [O, H, W, C] to [O, C, H, W], and back.
std::vector<float> to_channels_first(const float* values, const Shape& ohwc);
std::vector<float> to_channels_last(const float* values, const Shape& ohwc);

}  // namespace signet::models
