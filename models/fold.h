#pragma once
// Batchnorm folded into the convolutions before it, in checkpoints.

#include <optional>
#include <string>
#include <string_view>

#include "models/archive.h"

namespace signet::models {

/// The batchnorm behind a convolution by torchvision's names: "layer1.0.bn2" of "layer1.0.conv2",
/// "downsample.1" of "downsample.0"; none for a name that is not one of a convolution with a batchnorm.
std::optional<std::string> batchnorm_after(std::string_view convolution);

/// A checkpoint whose batchnorms (epsilon 1e-5) are folded: each convolution before one has its weights
/// scaled and a "bias" of its own, and the batchnorm's tensors are gone. Computed in double. Networks without
/// batchnorm come back as they are. Throws std::invalid_argument for a batchnorm of which a tensor is
/// missing.
Archive fold_batchnorm(const Archive& archive);

/// The inverse as far as there is one: each batchnorm becomes one that only adds the bias, so that the
/// network computes the same.
Archive unfold_batchnorm(const Archive& archive);

}  // namespace signet::models
