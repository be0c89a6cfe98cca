#include "models/zip_writer.h"

#include <cstdint>
#include <limits>
#include <stdexcept>

#include "tensor/error.h"
#include "tensor/hash.h"

namespace signet::models {
namespace {

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kDirectorySignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint16_t kVersion = 20;
constexpr uint16_t kFirstDay = 1 << 5 | 1;  // 1 January 1980, the earliest that a zip can tell
constexpr uint16_t kUtf8Names = 1 << 11;
constexpr uint16_t kPaddingId = 0x4246;  // an extra field that readers skip; PyTorch uses the same id
constexpr size_t kAlignment = 64;
constexpr size_t kLocalBytes = 30;
constexpr size_t kExtraHead = 4;

void put16(std::string& out, size_t value) {
  out += char(value);
  out += char(value >> 8);
}

void put32(std::string& out, size_t value) {
  put16(out, value & 0xffff);
  put16(out, value >> 16);
}

/// What the local header and the directory record share: version to the length of the name.
void put_common(std::string& out, const std::string& name, std::string_view content) {
  put16(out, kVersion);
  put16(out, kUtf8Names);
  put16(out, 0);  // stored
  put16(out, 0);  // midnight
  put16(out, kFirstDay);
  put32(out, crc32(content));
  put32(out, content.size());
  put32(out, content.size());
  put16(out, name.size());
}

}  // namespace

std::string zip_of(const std::vector<std::pair<std::string, std::string_view>>& entries) {
  constexpr size_t kMost = std::numeric_limits<uint16_t>::max() - 1;
  if (entries.size() > kMost) throw std::invalid_argument("[zip_of] more than 65534 entries");
  std::string zip, directory;
  for (const auto& [name, content] : entries) {
    const size_t begin = zip.size();
    const size_t head = begin + kLocalBytes + name.size() + kExtraHead;
    const size_t padding = (kAlignment - head % kAlignment) % kAlignment;
    if (head + padding + content.size() > std::numeric_limits<uint32_t>::max()) {
      fail("these weights take more than the 4 GiB that a zip of torch.save's older form can hold");
    }
    put32(zip, kLocalSignature);
    put_common(zip, name, content);
    put16(zip, kExtraHead + padding);
    zip += name;
    put16(zip, kPaddingId);
    put16(zip, padding);
    zip.append(padding, '\0');
    zip += content;

    put32(directory, kDirectorySignature);
    put16(directory, kVersion);
    put_common(directory, name, content);
    directory.append(12, '\0');  // no extra field, comment, further disks or attributes
    put32(directory, begin);
    directory += name;
  }
  const size_t begin = zip.size();
  if (begin + directory.size() > std::numeric_limits<uint32_t>::max()) {
    fail("these weights take more than the 4 GiB that a zip of torch.save's older form can hold");
  }
  zip += directory;
  put32(zip, kEndSignature);
  put32(zip, 0);
  put16(zip, entries.size());
  put16(zip, entries.size());
  put32(zip, directory.size());
  put32(zip, begin);
  put16(zip, 0);
  return zip;
}

}  // namespace signet::models
