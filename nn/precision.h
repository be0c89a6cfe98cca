#pragma once
// In what networks keep their activations: a setting of the process, like its number of threads.

#include "tensor/device.h"

namespace signet::nn {

/// f32 (the default) or bf16: the type that the activations of convolutional networks and their gradients
/// have, from the image to their pooled features or first dense layer. Parameters, their gradients,
/// statistics and sums stay f32. To be set before a forward pass, not between it and its backward pass.
void set_activation_type(DType type);
DType activation_type();

}  // namespace signet::nn
