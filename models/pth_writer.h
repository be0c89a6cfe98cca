#pragma once
// Writing weights as torch.save does.

#include <filesystem>
#include <string>

#include "models/archive.h"

namespace signet::models {

/// The bytes of a file in the zip form of torch.save (models/pth.h) that holds a dict of contiguous tensors:
/// what torch.load(…, weights_only=True) gives to load_state_dict. Each piece of metadata is one more entry
/// of the zip, `extra/<key>`, which PyTorch passes over and read_pth reads. Throws std::invalid_argument for
/// an array that PyTorch has no storage type for, or whose bytes do not fit its shape.
std::string to_pth(const Archive& archive);

/// Writes them through write_atomically.
void write_pth(const std::filesystem::path& path, const Archive& archive);

}  // namespace signet::models
