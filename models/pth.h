#pragma once
// Files of torch.save, read without Python: the zip form (PyTorch 1.6 and later) and the older stream form.
//
// Sources: torch/serialization.py and torch/_utils.py of PyTorch (names of the rebuild functions and order of
// their arguments), and the files themselves.
//
// Zip form: `<name>/data.pkl` holds the object, `<name>/data/<key>` the raw elements of a storage,
// `<name>/byteorder` the word "little".
// Stream form: pickles of a magic number, of the version 1001, of a description of the machine, of the
// object, and of the list of storage keys; then for each key a little-endian 64-bit count of elements and the
// elements. In both the object refers to a storage by the persistent id ('storage', type, key, location,
// count).

#include <filesystem>
#include <string>
#include <string_view>

#include "models/archive.h"

namespace signet::models {

/// Reads the tensors of a file of torch.save. Nothing in the file is run: it may mention tensors, parameters
/// and plain containers, and anything else is refused by name.
///
/// A dict of tensors becomes one entry a tensor; nested dicts are joined with dots. If the outermost dict has
/// no tensor of its own but a dict of tensors called "state_dict", "model_state_dict" or "model" (the first
/// of these that it has), only that one is read. Whatever is not a tensor or a dict (epochs, optimiser state)
/// is left out; metadata["skipped"] lists the names, separated by ", ". Views are made contiguous, shared
/// storages copied. Entries `<name>/extra/<key>` of the zip become metadata too.
///
/// Throws Error, with the file, the tensor and the reason, for a file that is damaged or does not hold a dict
/// of tensors; a pickled module is refused with the advice to save its state_dict.
Archive read_pth(const std::filesystem::path& path);

/// The same for a file already in memory; `source` names it in errors.
Archive parse_pth(std::string_view bytes, const std::string& source);

}  // namespace signet::models
