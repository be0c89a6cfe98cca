#pragma once
// Files made by hand: small valid ones and the damage to do to them.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace signet::models::testing {

/// The sentence of the signet::Error that `read` throws, "accepted" if it throws nothing, and "wrong type: …"
/// for another exception.
std::string refusal(const std::function<void()>& read);

/// How a reader fares with damaged versions of a file. A reader may accept a damaged file, but must end every
/// refusal with a signet::Error; `failures` lists the versions for which it did not.
struct DamageReport {
  int accepted = 0;
  int refused = 0;
  std::vector<std::string> failures;
};

using Reader = std::function<void(std::string_view)>;

/// Every proper prefix of the file.
DamageReport read_truncated(std::string_view file, const Reader& read);

/// Every file in which one byte was changed, in several ways.
DamageReport read_with_changed_bytes(std::string_view file, const Reader& read);

/// A number as little-endian bytes.
template <class T>
std::string little_endian(T number) {
  std::string bytes;
  for (size_t i = 0; i < sizeof(T); ++i) bytes += char(uint64_t(number) >> 8 * i);
  return bytes;
}

/// `bytes` with the bytes at `position` replaced.
std::string patched(std::string bytes, size_t position, std::string_view replacement);

std::string fixture(const std::string& name);

/// A safetensors file of this header and data.
std::string safetensors_file(std::string_view header, std::string_view data);

/// One entry of zip_file.
struct ZipPart {
  std::string name;
  std::string content;
};

/// A stored zip. `local_change` and `directory_change` may edit each entry's record once it is complete.
struct ZipOptions {
  bool zip64 = false;
  std::function<void(size_t entry, std::string& record)> local_change = [](size_t, std::string&) {};
  std::function<void(size_t entry, std::string& record)> directory_change = [](size_t, std::string&) {};
};
std::string zip_file(const std::vector<ZipPart>& parts, const ZipOptions& options = {});

// Pickles of protocol 2, opcode by opcode.
std::string global(std::string_view module, std::string_view name);
std::string text(std::string_view text);
std::string integer(int32_t number);
std::string tuple(std::initializer_list<std::string> elements);
std::string call(const std::string& callable, std::initializer_list<std::string> arguments);
std::string dict(std::initializer_list<std::string> keys_and_values);
std::string pickle(const std::string& opcodes);

/// The persistent id of a storage of torch.save, and a tensor over it.
std::string storage(std::string_view type, std::string_view key, int32_t elements);
std::string tensor(const std::string& storage, int32_t offset, std::initializer_list<int32_t> sizes,
                   std::initializer_list<int32_t> strides);

/// The zip form of torch.save: an object, given by its opcodes, and the bytes of the storages "0", "1", ….
std::string torch_zip(const std::string& object, const std::vector<std::string>& storages);

/// The stream form; each storage is its key, its count of elements and its bytes.
struct StreamStorage {
  std::string key;
  int64_t elements = 0;
  std::string bytes;
};
std::string torch_stream(const std::string& object, const std::vector<StreamStorage>& storages);

}  // namespace signet::models::testing
