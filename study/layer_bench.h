#pragma once
// The convolutions of a ResNet one by one: how fast each pass is on this CPU, and by which algorithm.

#include <optional>
#include <string>
#include <vector>

#include "kernels/cpu/conv_algorithm.h"
#include "models/network.h"

namespace signet::study {

/// What this processor can do at best with the threads in use, measured.
struct Peak {
  double gflops = 0;    ///< multiply-adds in registers, two operations each, 10^9 a second
  double gbytes_s = 0;  ///< adding two arrays much larger than the caches: bytes read and written, 10^9/s
};
/// For convolutions of activations of a type, f32 or bf16.
Peak measure_peak(DType activations);

/// One or more layers of the same shape.
struct ConvLayer {
  std::string name;  ///< of the first
  int count = 1;
  Conv2dShape shape;
};

/// The convolutions of a ResNet for a batch of images of its input's size, in the order in which they run.
/// Throws Error for a network of another kind.
std::vector<ConvLayer> conv_layers(models::Network& network, int64_t batch);

struct LayerTime {
  ConvLayer layer;
  cpu::ConvPass pass = cpu::ConvPass::forward;
  cpu::ConvAlgorithm algorithm = cpu::ConvAlgorithm::implicit_gemm;
  DType activations = DType::f32;
  double seconds = 0;  ///< median, of one layer

  /// Of direct summation, whatever the algorithm saves: 10^9 operations a second.
  double gflops() const;
  /// Operations of direct summation per byte of inputs and output, each moved once.
  double intensity() const;
};

/// Median time of a pass by the algorithm that set_conv_choices and the rules choose. Forward is the
/// inference form with bias and ReLU. activations: f32 or bf16.
LayerTime time_layer(const ConvLayer& layer, cpu::ConvPass pass, DType activations, int repetitions);

/// Every algorithm that computes the pass, the fastest first. Changes the table of algorithms while it runs
/// and leaves it empty.
std::vector<LayerTime> time_algorithms(const ConvLayer& layer, cpu::ConvPass pass, DType activations,
                                       int repetitions);

/// The table of algorithms as JSON, and back. Throws Error, naming the source, for what is no such table.
std::string conv_choices_json(const std::vector<cpu::ConvChoice>& choices);
std::vector<cpu::ConvChoice> parse_conv_choices(const std::string& json, const std::string& source);

/// A roofline (Williams, Waterman and Patterson 2009): each pass a dot at its intensity and speed, under what
/// memory and arithmetic allow. Dots above the roof are Winograd's: fewer operations than they are counted
/// as.
std::string roofline_svg(const std::vector<LayerTime>& times, const Peak& peak, const std::string& title);

}  // namespace signet::study
