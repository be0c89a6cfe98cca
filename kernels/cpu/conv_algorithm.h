#pragma once
// Which way a convolution is computed on the CPU: by built-in rules, or by a table made by measurement on the
// machine at hand (`signet bench tune`).

#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace signet::cpu {

enum class ConvPass { forward, backward_data, backward_weight };

enum class ConvAlgorithm {
  implicit_gemm,  ///< a matrix product whose one side is gathered as it is needed; for every shape
  winograd,       ///< kernels/cpu/winograd.h
  image_strips,   ///< kernels/cpu/rgb_conv.h
};

std::string_view name_of(ConvPass pass);
std::string_view name_of(ConvAlgorithm algorithm);

/// Every algorithm that computes a pass of a shape.
std::vector<ConvAlgorithm> conv_algorithms(ConvPass pass, const Conv2dShape& shape);

/// The one that is used: the table's, else the rules'. Depends on the shape of an image, not on the batch: an
/// image's bits are the same in every batch.
ConvAlgorithm conv_algorithm(ConvPass pass, const Conv2dShape& shape);

struct ConvChoice {
  ConvPass pass;
  Conv2dShape shape;  ///< of any batch
  ConvAlgorithm algorithm;
};

/// Sets the table, in place of any before. To be called while no kernel runs and before weights are prepared.
/// Throws std::invalid_argument for an algorithm that does not compute its shape.
void set_conv_choices(std::vector<ConvChoice> choices);

}  // namespace signet::cpu
