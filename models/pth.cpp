#include "models/pth.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "models/pickle.h"
#include "models/torch_object.h"
#include "models/zip.h"
#include "tensor/error.h"
#include "tensor/files.h"

namespace signet::models {
namespace {

using Kind = PickleValue::Kind;

constexpr std::string_view kExtra = "extra/";
constexpr int64_t kStreamVersion = 1001;
// 0x1950a86a20f9469cfc6c, as a pickle writes an integer of more than 8 bytes.
constexpr std::string_view kStreamMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

bool refuse_all_globals(std::string_view) {
  return false;
}

[[noreturn]] void refuse_foreign_zip(const std::vector<ZipEntry>& entries, const std::string& source) {
  for (const ZipEntry& entry : entries) {
    if (entry.name.ends_with(".npy")) {
      fail("{}: looks like a NumPy archive (.npz); save the arrays with safetensors.numpy.save_file", source);
    }
    if (entry.name == "model.weights.h5") {
      fail("{}: looks like a Keras model; save its weights as safetensors with torchvision's names", source);
    }
  }
  fail(
      "{}: a zip, but not one of torch.save (it has no data.pkl); if the checkpoint is inside, unpack it "
      "first",
      source);
}

Archive parse_zip_form(std::string_view bytes, const std::string& source) {
  const std::vector<ZipEntry> entries = read_zip(bytes, source);
  const auto pickle = std::find_if(entries.begin(), entries.end(), [](const ZipEntry& entry) {
    const size_t slash = entry.name.find('/');
    return slash != std::string_view::npos && entry.name.substr(slash) == "/data.pkl";
  });
  if (pickle == entries.end()) refuse_foreign_zip(entries, source);
  const std::string_view prefix = pickle->name.substr(0, pickle->name.size() - std::strlen("data.pkl"));

  std::unordered_map<std::string_view, const ZipEntry*> by_name;
  for (const ZipEntry& entry : entries) {
    if (!entry.name.starts_with(prefix)) {
      fail("{}: zip entry \"{}\" does not belong to \"{}\"", source, printable(entry.name),
           printable(prefix));
    }
    const std::string_view name = entry.name.substr(prefix.size());
    if (name == "constants.pkl" || name.starts_with("code/")) {
      fail(
          "{}: looks like a TorchScript model; load it with torch.jit.load and save its state_dict() with "
          "torch.save",
          source);
    }
    by_name[name] = &entry;
  }
  if (const auto order = by_name.find("byteorder"); order != by_name.end()) {
    if (order->second->content != "little") {
      fail("{}: its byte order is \"{}\"; save it on a little-endian machine", source,
           printable(order->second->content));
    }
  }
  check_crc32(*pickle, source);
  TorchObject object(pickle->content, bytes.size(), source);
  for (auto& [key, storage] : object.storages()) {
    const auto entry = by_name.find("data/" + std::string(key));
    if (entry == by_name.end()) fail("{}: storage {} is missing", source, printable(key));
    check_crc32(*entry->second, source);
    storage.bytes = entry->second->content;
    if (storage.bytes.size() / dtype_size(storage.dtype) != storage.elements ||
        storage.bytes.size() % dtype_size(storage.dtype) != 0) {
      fail("{}: storage {} has {} bytes instead of {} elements of {}", source, printable(key),
           storage.bytes.size(), storage.elements, storage.dtype);
    }
  }
  Archive archive = object.read_tensors();
  for (const auto& [name, entry] : by_name) {
    if (!name.starts_with(kExtra)) continue;
    check_crc32(*entry, source);
    archive.metadata.emplace(name.substr(kExtra.size()), entry->content);
  }
  return archive;
}

/// The pickles and storages of the stream form, one after the other.
class Stream {
 public:
  Stream(std::string_view bytes, const std::string& source) : bytes_(bytes), source_(source) {}

  std::string_view rest() const { return bytes_.substr(position_); }
  void skip(size_t count) { position_ += count; }

  Pickle plain_pickle() {
    Pickle pickle = read_pickle(rest(), refuse_all_globals, source_);
    skip(pickle.end);
    return pickle;
  }

  std::string_view take(uint64_t count, std::string_view key) {
    if (count > rest().size()) {
      fail("{}: storage {} is cut off; is the download complete?", source_, printable(key));
    }
    const std::string_view taken = rest().substr(0, count);
    skip(count);
    return taken;
  }

 private:
  std::string_view bytes_;
  const std::string& source_;
  size_t position_ = 0;
};

void check_machine(const Pickle& machine, const std::string& source) {
  const auto& items = machine.at(machine.root).elements;
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (machine.at(items[i]).text != "little_endian") continue;
    if (machine.at(items[i + 1]).kind == Kind::kBool && machine.at(items[i + 1]).integer == 1) return;
    fail("{}: was written on a big-endian machine; save it on a little-endian one", source);
  }
  fail("{}: does not tell its byte order; the file is damaged", source);
}

Archive parse_stream_form(std::string_view bytes, const std::string& source) {
  Stream stream(bytes, source);
  const Pickle magic = stream.plain_pickle();
  if (magic.at(magic.root).kind != Kind::kBigInt || magic.at(magic.root).text != kStreamMagic) {
    fail("{}: a pickle, but not one of torch.save; save the weights with torch.save(model.state_dict(), …)",
         source);
  }
  const Pickle version = stream.plain_pickle();
  if (version.at(version.root).kind != Kind::kInt || version.at(version.root).integer != kStreamVersion) {
    fail("{}: a version of torch.save's stream form that is unknown; save it with a newer PyTorch", source);
  }
  check_machine(stream.plain_pickle(), source);

  TorchObject object(stream.rest(), bytes.size(), source);
  stream.skip(object.end());
  const Pickle keys = stream.plain_pickle();
  if (keys.at(keys.root).kind != Kind::kList) fail("{}: the storage keys are not a list", source);
  for (const PickleId id : keys.at(keys.root).elements) {
    const std::string_view key = keys.at(id).text;
    const auto found = object.storages().find(key);
    if (found == object.storages().end()) fail("{}: no tensor uses storage {}", source, printable(key));
    TorchStorage& storage = found->second;
    if (storage.bytes.data() != nullptr) fail("{}: storage {} appears twice", source, printable(key));
    uint64_t elements = 0;
    std::memcpy(&elements, stream.take(sizeof elements, key).data(), sizeof elements);
    const auto wanted_bytes = byte_count({int64_t(elements)}, storage.dtype);
    if (elements != storage.elements || !wanted_bytes) {
      fail("{}: storage {} has {} elements instead of {}", source, printable(key), elements,
           storage.elements);
    }
    storage.bytes = stream.take(*wanted_bytes, key);
  }
  for (const auto& [key, storage] : object.storages()) {
    if (storage.bytes.data() == nullptr) fail("{}: storage {} is missing", source, printable(key));
  }
  if (!stream.rest().empty()) fail("{}: {} bytes follow the last storage", source, stream.rest().size());
  return object.read_tensors();
}

}  // namespace

Archive parse_pth(std::string_view bytes, const std::string& source) {
  return bytes.starts_with("PK") ? parse_zip_form(bytes, source) : parse_stream_form(bytes, source);
}

Archive read_pth(const std::filesystem::path& path) {
  return parse_pth(read_file(path), path.string());
}

}  // namespace signet::models
