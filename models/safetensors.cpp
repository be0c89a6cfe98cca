#include "models/safetensors.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <unordered_set>

#include "tensor/error.h"
#include "tensor/files.h"

static_assert(std::endian::native == std::endian::little, "checkpoints hold little-endian numbers");

namespace signet::models {
namespace {

using Json = nlohmann::json;

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference implementation
constexpr size_t kAlignment = 8;
constexpr const char* kMetadataKey = "__metadata__";
// The header nests this deep: {"name": {"shape": [1]}}.
constexpr size_t kMaxHeaderDepth = 3;
// Some 300 MB once parsed; a tensor has about 8.
constexpr size_t kMaxHeaderValues = 1 << 22;

/// Refuses what a JSON library would let pass or spend its memory on: keys used twice, which it merges
/// silently, deep nesting and values without end.
class HeaderCheck final : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderCheck(const std::string& source) : source_(source) {}

  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool number_integer(number_integer_t) override { return count(); }
  bool number_unsigned(number_unsigned_t) override { return count(); }
  bool number_float(number_float_t, const string_t&) override { return count(); }
  bool string(string_t&) override { return count(); }
  bool binary(binary_t&) override { return count(); }
  bool start_object(size_t) override { return descend(); }
  bool start_array(size_t) override { return descend(); }
  bool end_object() override { return ascend(); }
  bool end_array() override { return ascend(); }

  bool key(string_t& key) override {
    if (!keys_.back().insert(key).second) {
      fail("{}: the safetensors header has the key \"{}\" twice", source_, printable(key));
    }
    return true;
  }

  bool parse_error(size_t, const std::string&, const Json::exception& error) override {
    fail("{}: the safetensors header is not valid JSON: {}", source_, printable(error.what()));
  }

 private:
  bool count() {
    if (++values_ > kMaxHeaderValues) {
      fail("{}: the safetensors header has more than {} values", source_, kMaxHeaderValues);
    }
    return true;
  }

  bool descend() {
    keys_.emplace_back();
    if (keys_.size() > kMaxHeaderDepth) fail("{}: the safetensors header nests too deeply", source_);
    return count();
  }

  bool ascend() {
    keys_.pop_back();
    return true;
  }

  const std::string& source_;
  std::vector<std::unordered_set<std::string>> keys_;  // of each open object or array
  size_t values_ = 0;
};

Json parse_header(std::string_view text, const std::string& source) {
  if (text.empty() || text.front() != '{') {
    fail("{}: the safetensors header does not begin with '{{'; the file is damaged or of another form",
         source);
  }
  // The JSON library would take a zero byte for the end of the text.
  if (text.find('\0') != std::string_view::npos) {
    fail("{}: the safetensors header is not valid JSON: it has a zero byte", source);
  }
  HeaderCheck check(source);
  Json::sax_parse(text, &check);
  return Json::parse(text);
}

std::map<std::string, std::string> parse_metadata(const Json& json, const std::string& source) {
  if (!json.is_object()) fail("{}: {} of the safetensors header is not an object", source, kMetadataKey);
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string())
      fail("{}: metadata \"{}\" of the safetensors header is not a string", source, printable(key));
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

/// One array as the header describes it; offsets count from the end of the header.
struct Description {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

Description parse_description(const std::string& name, const Json& json, uint64_t data_bytes,
                              const std::string& source) {
  const auto refuse = [&](const std::string& fault) {
    fail("{}: tensor \"{}\": {}", source, printable(name), fault);
  };
  Description description;
  description.name = name;
  if (!json.is_object()) refuse("its header entry is not an object");
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!json.contains(key)) refuse(fmt::format("\"{}\" is missing", key));
  }

  const Json& dtype = json["dtype"];
  if (!dtype.is_string()) refuse("\"dtype\" is not a string");
  description.dtype = dtype.get<std::string>();
  if (dtype_size(description.dtype) == 0) {
    refuse(fmt::format("dtype \"{}\" is unknown; convert it to F32", printable(description.dtype)));
  }

  const Json& shape = json["shape"];
  if (!shape.is_array()) refuse("\"shape\" is not an array");
  for (const Json& size : shape) {
    if (!size.is_number_unsigned()) refuse(fmt::format("size {} is not a whole number ≥ 0", size.dump()));
    if (size.get<uint64_t>() > uint64_t(INT64_MAX)) refuse(fmt::format("size {} is too large", size.dump()));
    description.shape.push_back(size.get<int64_t>());
  }
  const auto expected_bytes = byte_count(description.shape, description.dtype);
  if (!expected_bytes) refuse(fmt::format("shape {} overflows", shape.dump()));

  const Json& offsets = json["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    refuse(fmt::format("data_offsets {} are not two whole numbers ≥ 0", offsets.dump()));
  }
  description.begin = offsets[0].get<uint64_t>();
  description.end = offsets[1].get<uint64_t>();
  if (description.begin > description.end || description.end > data_bytes) {
    refuse(fmt::format("data_offsets {} leave the file's {} bytes of data; is the download complete?",
                       offsets.dump(), data_bytes));
  }
  if (description.end - description.begin != *expected_bytes) {
    refuse(fmt::format("data_offsets {} hold {} bytes, but shape {} of {} needs {}", offsets.dump(),
                       description.end - description.begin, shape.dump(), description.dtype,
                       *expected_bytes));
  }
  return description;
}

/// The arrays must follow one another from the first byte of the data to the last.
void check_layout(const std::vector<Description>& in_order, uint64_t data_bytes, const std::string& source) {
  uint64_t end = 0;
  for (const Description& description : in_order) {
    if (description.begin < end) {
      fail("{}: tensor \"{}\": its bytes [{}, {}) overlap those of another tensor", source,
           printable(description.name), description.begin, description.end);
    }
    if (description.begin > end) {
      fail("{}: tensor \"{}\": the {} bytes before it belong to no tensor", source,
           printable(description.name), description.begin - end);
    }
    end = description.end;
  }
  if (end != data_bytes) fail("{}: {} bytes after the last tensor belong to none", source, data_bytes - end);
}

/// The length of the header, from the first bytes of a file of `file_bytes`.
uint64_t header_length(std::string_view beginning, uint64_t file_bytes, const std::string& source) {
  if (beginning.size() < kLengthBytes) {
    fail("{}: {} bytes are too few for a safetensors file; is the download complete?", source,
         beginning.size());
  }
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, beginning.data(), kLengthBytes);
  if (header_bytes > kMaxHeaderBytes) {
    fail(
        "{}: a safetensors header of {} bytes is beyond the limit of {}; the file is damaged or of another "
        "form",
        source, header_bytes, kMaxHeaderBytes);
  }
  if (header_bytes > file_bytes - kLengthBytes) {
    fail("{}: the safetensors header of {} bytes does not fit the file's {}; is the download complete?",
         source, header_bytes, file_bytes);
  }
  return header_bytes;
}

[[noreturn]] void misuse(const std::string& name, const char* fault) {
  throw std::invalid_argument(fmt::format("[write_safetensors] tensor \"{}\": {}", name, fault));
}

std::vector<const std::pair<std::string, Array>*> sorted_entries(const Archive& archive) {
  std::set<std::string_view> names;
  std::vector<const std::pair<std::string, Array>*> sorted;
  for (const auto& entry : archive.entries) {
    const auto& [name, array] = entry;
    if (name == kMetadataKey) misuse(name, "the name is reserved");
    if (!names.insert(name).second) misuse(name, "the name is used twice");
    if (byte_count(array.shape, array.dtype) != array.bytes.size()) {
      misuse(name, "its bytes do not fit shape and dtype");
    }
    sorted.push_back(&entry);
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto* left, const auto* right) {
    const size_t left_size = dtype_size(left->second.dtype);
    const size_t right_size = dtype_size(right->second.dtype);
    return left_size != right_size ? left_size > right_size : left->first < right->first;
  });
  return sorted;
}

}  // namespace

Archive parse_safetensors(std::string_view bytes, const std::string& source) {
  const uint64_t header_bytes = header_length(bytes, bytes.size(), source);
  const Json header = parse_header(bytes.substr(kLengthBytes, header_bytes), source);
  const std::string_view data = bytes.substr(kLengthBytes + header_bytes);

  Archive archive;
  std::vector<Description> descriptions;
  for (const auto& [name, json] : header.items()) {
    if (name == kMetadataKey) {
      archive.metadata = parse_metadata(json, source);
    } else {
      descriptions.push_back(parse_description(name, json, data.size(), source));
    }
  }
  std::stable_sort(descriptions.begin(), descriptions.end(), [](const auto& left, const auto& right) {
    return std::pair(left.begin, left.end) < std::pair(right.begin, right.end);
  });
  check_layout(descriptions, data.size(), source);

  for (Description& description : descriptions) {
    const auto* first = reinterpret_cast<const std::byte*>(data.data());
    archive.entries.emplace_back(
        std::move(description.name),
        Array{std::move(description.shape), std::move(description.dtype),
              std::vector<std::byte>(first + description.begin, first + description.end)});
  }
  return archive;
}

Archive read_safetensors(const std::filesystem::path& path) {
  return parse_safetensors(read_file(path), path.string());
}

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path) {
  const std::string source = path.string();
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) fail("{}: cannot be opened: {}", source, std::strerror(errno));
  const auto file_bytes = uint64_t(file.tellg());
  const auto read = [&](uint64_t from, uint64_t count) {
    std::string bytes(size_t(count), '\0');
    file.seekg(std::streamoff(from));
    if (!file.read(bytes.data(), std::streamsize(count))) fail("{}: cannot be read", source);
    return bytes;
  };
  const std::string beginning = read(0, std::min<uint64_t>(kLengthBytes, file_bytes));
  const Json header = parse_header(read(kLengthBytes, header_length(beginning, file_bytes, source)), source);
  return header.contains(kMetadataKey) ? parse_metadata(header[kMetadataKey], source)
                                       : std::map<std::string, std::string>();
}

void write_safetensors(const std::filesystem::path& path, const Archive& archive) {
  const auto entries = sorted_entries(archive);
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!archive.metadata.empty()) header[kMetadataKey] = archive.metadata;
  uint64_t offset = 0;
  for (const auto* entry : entries) {
    const Array& array = entry->second;
    header[entry->first] = {{"dtype", array.dtype},
                            {"shape", array.shape},
                            {"data_offsets", {offset, offset + array.bytes.size()}}};
    offset += array.bytes.size();
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception& error) {
    throw std::invalid_argument(fmt::format("[write_safetensors] {}", error.what()));
  }
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');

  const uint64_t header_bytes = text.size();
  write_atomically(path, [&](const Append& append) {
    append({reinterpret_cast<const char*>(&header_bytes), kLengthBytes});
    append(text);
    for (const auto* entry : entries) {
      const auto& content = entry->second.bytes;
      append({reinterpret_cast<const char*>(content.data()), content.size()});
    }
  });
}

}  // namespace signet::models
