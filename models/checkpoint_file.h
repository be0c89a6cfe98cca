#pragma once
// A checkpoint of any form that Signet reads.

#include <filesystem>
#include <string>
#include <string_view>

#include "models/archive.h"

namespace signet::models {

/// Reads a safetensors file or a file of torch.save, told apart by their first bytes, never by their names.
/// Throws Error for damaged files (see read_safetensors and read_pth) and for other forms, saying what the
/// file looks like and how to convert it.
Archive read_checkpoint(const std::filesystem::path& path);

/// The same for a file already in memory; `source` names it in errors.
Archive parse_checkpoint(std::string_view bytes, const std::string& source);

}  // namespace signet::models
