#pragma once
// The safetensors format.
//
// An 8-byte little-endian length, that many bytes of JSON, then the arrays one after the other. The JSON maps
// each name to {"dtype", "shape", "data_offsets": [begin, end)} with offsets from the end of the JSON;
// "__metadata__" maps strings to strings. Source: https://github.com/huggingface/safetensors#format.

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "models/archive.h"

namespace signet::models {

/// Reads a safetensors file; entries come in the order of their bytes. Throws Error naming the file, the
/// array and the fault for anything but a well-formed file: lengths and offsets that leave the file, overlap,
/// leave holes or do not fit shape and dtype; bad JSON; names used twice; dtypes that are unknown.
Archive read_safetensors(const std::filesystem::path& path);

/// The same for a file already in memory; `source` names it in errors.
Archive parse_safetensors(std::string_view bytes, const std::string& source);

/// The metadata of a safetensors file, without reading its arrays. Throws Error for a header that is not well
/// formed.
std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path);

/// Writes a safetensors file through write_atomically. Arrays are ordered by element size, largest first,
/// then by name, and begin at a multiple of 8 bytes, so that each is aligned and equal archives give equal
/// files. Throws Error if the file cannot be written; std::invalid_argument for an archive with a name used
/// twice, an unknown dtype, bytes that do not fit the shape, or text that is not UTF-8.
void write_safetensors(const std::filesystem::path& path, const Archive& archive);

}  // namespace signet::models
