#include "models/pth_writer.h"

#include <fmt/format.h>

#include <map>
#include <stdexcept>

#include "models/pickle_opcodes.h"
#include "models/zip_writer.h"
#include "tensor/files.h"

namespace signet::models {
namespace {

using namespace opcode;

constexpr int kProtocol = 2;

const std::string& storage_type(const std::string& name, const std::string& dtype) {
  static const std::map<std::string, std::string> types{
      {"F32", "FloatStorage"}, {"F16", "HalfStorage"}, {"BF16", "BFloat16Storage"}, {"F64", "DoubleStorage"},
      {"I64", "LongStorage"},  {"I32", "IntStorage"},  {"I16", "ShortStorage"},     {"I8", "CharStorage"},
      {"U8", "ByteStorage"},   {"BOOL", "BoolStorage"}};
  const auto found = types.find(dtype);
  if (found == types.end())
    throw std::invalid_argument(fmt::format("[to_pth] {}: PyTorch has no storage for {}", name, dtype));
  return found->second;
}

/// The program whose run makes the dict: nothing but constructors of tensors and containers.
class Pickler {
 public:
  Pickler() { put(kProto).text_ += char(kProtocol); }

  Pickler& put(Opcode code) {
    text_ += char(code);
    return *this;
  }

  Pickler& global(const std::string& module, const std::string& name) {
    put(kGlobal).text_ += module + "\n" + name + "\n";
    return *this;
  }

  Pickler& string(const std::string& value) {
    put(kBinUnicode).little_endian(value.size(), 4);
    text_ += value;
    return *this;
  }

  /// A whole number of at least 0.
  Pickler& number(uint64_t value) {
    if (value < 1 << 8) return put(kBinInt1).little_endian(value, 1);
    if (value < uint64_t{1} << 31) return put(kBinInt).little_endian(value, 4);
    return put(kLong1).little_endian(9, 1).little_endian(value, 8).little_endian(0, 1);
  }

  Pickler& tuple(const std::vector<uint64_t>& values) {
    put(kMark);
    for (const uint64_t value : values) number(value);
    return put(kTuple);
  }

  Pickler& tensor(const std::string& name, const Array& array, size_t key) {
    std::vector<uint64_t> shape(array.shape.begin(), array.shape.end()), strides(shape.size(), 1);
    for (size_t axis = shape.size(); axis-- > 1;) strides[axis - 1] = strides[axis] * shape[axis];
    const uint64_t elements = array.bytes.size() / dtype_size(array.dtype);
    global("torch._utils", "_rebuild_tensor_v2").put(kMark);
    put(kMark).string("storage").global("torch", storage_type(name, array.dtype)).string(std::to_string(key));
    string("cpu").number(elements).put(kTuple).put(kBinPersid);
    number(0).tuple(shape).tuple(strides).put(kNewFalse);
    global("collections", "OrderedDict").put(kEmptyTuple).put(kReduce);
    return put(kTuple).put(kReduce);
  }

  const std::string& text() const { return text_; }

 private:
  Pickler& little_endian(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) text_ += char(value >> 8 * i);
    return *this;
  }

  std::string text_;
};

}  // namespace

std::string to_pth(const Archive& archive) {
  Pickler pickler;
  pickler.put(kEmptyDict).put(kMark);
  std::vector<std::pair<std::string, std::string_view>> entries{{"archive/data.pkl", ""}};
  for (const auto& [name, array] : archive.entries) {
    if (byte_count(array.shape, array.dtype) != array.bytes.size())
      throw std::invalid_argument(fmt::format("[to_pth] {}: its bytes do not fit shape and dtype", name));
    const size_t key = entries.size() - 1;
    pickler.string(name).tensor(name, array, key);
    entries.emplace_back(
        fmt::format("archive/data/{}", key),
        std::string_view(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size()));
  }
  pickler.put(kSetItems).put(kStop);
  entries.front().second = pickler.text();
  for (const auto& [key, value] : archive.metadata) entries.emplace_back("archive/extra/" + key, value);
  entries.emplace_back("archive/byteorder", "little");
  entries.emplace_back("archive/version", "3\n");
  return zip_of(entries);
}

void write_pth(const std::filesystem::path& path, const Archive& archive) {
  write_atomically(path, to_pth(archive));
}

}  // namespace signet::models
