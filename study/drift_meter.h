#pragma once
// How far a phase moves a network's tensors: measured while it trains, a pass over the weights an epoch.

#include <cstdint>
#include <string>
#include <vector>

#include "models/network.h"
#include "study/records.h"

namespace signet::study {

/// Measures parameters and buffers against copies taken when the phase starts. It reads only: training gives
/// the same bits with and without it.
class DriftMeter {
 public:
  /// Of the stages [first, last) of a network, whose tensors must stay where they are.
  DriftMeter(models::Network& network, int first, int last);

  /// Called around one step of the optimiser: how large each trainable tensor's gradient is and how far the
  /// step moves it. Kept for the next measure().
  void before_step();
  void after_step();

  /// One record for each tensor of the stages before `last`, parameters first; the figures of a step that was
  /// not watched are 0. Starts the next epoch.
  std::vector<TensorRecord> measure(int last);

 private:
  struct Watched {
    std::string name;
    Tensor tensor;
    int stage = 0;
    std::vector<float> start;
    double start_norm = 0;
    bool steps = false;         ///< whether the watched step moves it
    std::vector<float> before;  ///< that step
    double gradient_norm = 0, update_norm = 0;
  };

  std::vector<Watched> watched_;
  bool on_host_ = true;
};

/// The same for stages that nothing may move, without the copies.
class FrozenMeter {
 public:
  /// Of the stages before `last` of a network, whose tensors must stay where they are.
  FrozenMeter(models::Network& network, int last);

  /// One record for each tensor of the stages before `last`, parameters first: it has moved by 0. Throws
  /// std::logic_error if one has other bits than at first.
  std::vector<TensorRecord> measure(int last) const;

 private:
  struct Watched {
    std::string name;
    Tensor tensor;
    int stage = 0;
    uint64_t hash = 0;
    double norm = 0;
  };

  std::vector<Watched> watched_;
  bool on_host_ = true;
};

}  // namespace signet::study
