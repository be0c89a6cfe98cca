#pragma once
// signet bench layers and signet bench tune: the convolutions of a ResNet one by one.

#include <cstdint>
#include <string>

#include "models/network.h"

namespace signet::apps {

struct LayerBenchOptions {
  int64_t batch = 32;
  int repetitions = 8;
  DType activations = DType::f32;  ///< or bf16
  bool json = false;
  std::string svg;     ///< where layers draws its roofline; empty: nowhere
  std::string output;  ///< where tune writes its table
};

/// Prints, for each layer and pass, time, speed, share of the measured peak and the algorithm used.
void bench_layers(models::Network& network, const LayerBenchOptions& options);

/// Times every algorithm on each layer and pass and writes a table of the fastest for --conv-table.
void bench_tune(models::Network& network, const LayerBenchOptions& options);

}  // namespace signet::apps
