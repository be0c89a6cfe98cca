#pragma once
// The part of the page about layers: what each is, whether it was trained, how far it moved in every epoch,
// and which kernels each way of freezing launches.

#include <map>
#include <string>

#include "study/inspect_networks.h"

namespace signet::study {

/// The table of layers: shape, parameters, how the last phase treated them, and of a step in the middle of
/// its last epoch the gradient's norm and the size of the update beside that of the weights.
std::string layers_html(const Inspected& inspected);

/// How far each layer and each batchnorm's statistics moved from their phase's start, by phase and epoch; a
/// sentence for a run that did not record it.
std::string drift_html(const Inspected& inspected);

/// How often a training step launched each kernel, by name.
using Launches = std::map<std::string, int64_t>;

/// The three states of the layers between the first and the last stage.
struct FreezingLaunches {
  Launches frozen;     ///< only the last stage is trained
  Launches passed;     ///< the first and the last stage are trained; gradients pass through what is frozen
  Launches trainable;  ///< everything is trained
};

/// Counts the launches of one training step on a network like the given one (fresh weights, a batch of 16
/// random images), each without what is done only once. Uses the process's counters.
FreezingLaunches count_launches(models::Network& like, Device device);

/// The counts as a table.
std::string launches_html(const FreezingLaunches& launches);

}  // namespace signet::study
