#pragma once
// The object of a torch.save file: dicts of tensors over storages that lie elsewhere in the file.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "models/archive.h"
#include "models/pickle.h"

namespace signet::models {

/// The elements of one storage, as the file holds them.
struct TorchStorage {
  std::string_view dtype;  ///< safetensors' name
  uint64_t elements = 0;
  std::string_view bytes;  ///< elements × dtype_size(dtype) bytes
};

/// A pickle of torch.save, which mentions nothing but tensors and plain containers.
class TorchObject {
 public:
  /// Reads the pickle at the start of `bytes`, which must outlive this, as must `source`, the file's name for
  /// errors. `file_bytes` bounds what the tensors may take. Throws Error for a pickle that is damaged or
  /// mentions anything else, by name.
  TorchObject(std::string_view bytes, size_t file_bytes, const std::string& source);

  /// Position after the pickle in the bytes it was read from.
  size_t end() const { return pickle_.end; }

  /// The storages that the object refers to, by key. Whoever knows the form of the file fills in their bytes.
  std::unordered_map<std::string_view, TorchStorage>& storages() { return storages_; }

  /// The tensors of the object, once the storages have their bytes; which ones, read_pth says. Throws Error
  /// for an object that is not a dict of tensors and for tensors that leave their storage.
  Archive read_tensors();

 private:
  using Items = std::vector<std::pair<PickleId, PickleId>>;

  /// What a tensor sees of a storage.
  struct StorageView {
    std::string_view key;
    std::string_view dtype;
    uint64_t elements = 0;  ///< of the whole storage
    uint64_t first = 0;     ///< first visible element
    uint64_t visible_elements = 0;
  };

  std::string_view text(PickleId id, const char* what) const;
  void check_length(std::string_view name) const;
  uint64_t count(PickleId id, const char* what) const;
  std::vector<int64_t> integers(PickleId id, const char* what) const;
  std::string_view callable_name(const PickleValue& object) const;
  const std::vector<PickleId>& arguments(const PickleValue& object) const;
  StorageView storage_view(const PickleValue& persistent) const;
  bool is_dict(const PickleValue& value) const;
  Items dict_items(const PickleValue& dict) const;
  std::string item_name(PickleId key) const;
  const PickleValue* rebuild_call(PickleId id) const;
  void collect_root();
  bool collect_wrapped(const Items& items);
  void collect(const Items& items, const std::string& prefix, int depth);
  void skip(const std::string& name);
  Array build_tensor(const std::string& name, const PickleValue& call);

  const std::string& source_;
  uint64_t byte_limit_;
  uint64_t used_bytes_ = 0;
  Pickle pickle_;
  std::unordered_map<std::string_view, TorchStorage> storages_;
  std::vector<std::pair<std::string, PickleId>> tensors_;
  std::vector<std::string> skipped_;
  size_t visited_ = 0;
};

}  // namespace signet::models
