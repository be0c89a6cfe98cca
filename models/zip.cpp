#include "models/zip.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_set>

#include "models/archive.h"
#include "tensor/error.h"
#include "tensor/hash.h"

namespace signet::models {
namespace {

// Record signatures and fixed lengths, APPNOTE sections 4.3.7, 4.3.12 and 4.3.14 to 4.3.16.
constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kDirectorySignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kZip64EndSignature = 0x06064b50;
constexpr uint32_t kZip64LocatorSignature = 0x07064b50;
constexpr size_t kLocalBytes = 30;
constexpr size_t kDirectoryBytes = 46;
constexpr size_t kEndBytes = 22;
constexpr size_t kZip64EndBytes = 56;
constexpr size_t kZip64LocatorBytes = 20;
constexpr size_t kMaxCommentBytes = 0xffff;

constexpr uint16_t kEncryptedFlag = 1;
constexpr uint16_t kDescriptorFlag = 8;  // sizes and CRC-32 follow the content instead of leading it
constexpr uint16_t kStoredMethod = 0;
constexpr uint16_t kZip64ExtraId = 1;
constexpr uint16_t kIn64Bits16 = 0xffff;
constexpr uint32_t kIn64Bits = 0xffffffff;

template <class T>
T read_number(std::string_view bytes, size_t position) {
  T number;
  std::memcpy(&number, bytes.data() + position, sizeof number);
  return number;
}

/// Where the central directory lies.
struct Directory {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t offset = 0;
};

/// One record of the central directory.
struct Record {
  std::string_view name;
  uint16_t flags = 0;
  uint16_t method = 0;
  uint32_t crc32 = 0;
  uint64_t stored_bytes = 0;
  uint64_t plain_bytes = 0;
  uint64_t offset = 0;
};

class ZipReader {
 public:
  ZipReader(std::string_view bytes, const std::string& source) : bytes_(bytes), source_(source) {}

  std::vector<ZipEntry> read() const {
    const Directory directory = find_directory();
    const std::vector<Record> records = read_records(directory);
    std::vector<ZipEntry> entries;
    std::vector<std::pair<uint64_t, uint64_t>> extents;  // [begin, end) of local header, name and content
    std::unordered_set<std::string_view> names;
    for (const Record& record : records) {
      if (!names.insert(record.name).second) refuse(record.name, "the name is used twice");
      const std::string_view content = locate(record, directory);
      entries.push_back({record.name, content, record.crc32});
      extents.emplace_back(record.offset, uint64_t(content.data() - bytes_.data()) + content.size());
    }
    std::sort(extents.begin(), extents.end());
    for (size_t i = 1; i < extents.size(); ++i) {
      if (extents[i].first < extents[i - 1].second) {
        fail("{}: two entries of the zip overlap at byte {}", source_, extents[i].first);
      }
    }
    return entries;
  }

 private:
  [[noreturn]] void refuse(std::string_view name, const std::string& fault) const {
    fail("{}: zip entry \"{}\": {}", source_, printable(name), fault);
  }

  /// Position of the end record, which is followed by a comment that reaches the end of the file.
  size_t find_end() const {
    if (bytes_.size() >= kEndBytes) {
      const size_t last = bytes_.size() - kEndBytes;
      const size_t first = last > kMaxCommentBytes ? last - kMaxCommentBytes : 0;
      for (size_t position = last + 1; position-- > first;) {
        if (read_number<uint32_t>(bytes_, position) == kEndSignature &&
            read_number<uint16_t>(bytes_, position + 20) == last - position) {
          return position;
        }
      }
    }
    fail("{}: the zip has no end record; is the download complete?", source_);
  }

  Directory find_directory() const {
    const size_t end = find_end();
    const auto disk = read_number<uint16_t>(bytes_, end + 4);
    if (disk != 0 && disk != kIn64Bits16) fail("{}: the zip is split over several files", source_);
    const auto entries16 = read_number<uint16_t>(bytes_, end + 10);
    const auto bytes32 = read_number<uint32_t>(bytes_, end + 12);
    const auto offset32 = read_number<uint32_t>(bytes_, end + 16);
    Directory directory{entries16, bytes32, offset32};
    uint64_t directory_end = end;
    if (const auto position = find_zip64_end(end)) {
      directory = {read_number<uint64_t>(bytes_, *position + 32),
                   read_number<uint64_t>(bytes_, *position + 40),
                   read_number<uint64_t>(bytes_, *position + 48)};
      directory_end = *position;
      const bool agrees = (entries16 == kIn64Bits16 || entries16 == directory.entries) &&
                          (bytes32 == kIn64Bits || bytes32 == directory.bytes) &&
                          (offset32 == kIn64Bits || offset32 == directory.offset);
      if (!agrees) fail("{}: the two end records of the zip contradict each other", source_);
    }
    if (directory.offset > directory_end || directory.bytes != directory_end - directory.offset ||
        directory.entries > directory.bytes / kDirectoryBytes) {
      fail(
          "{}: the zip's directory ({} entries, {} bytes at {}) does not end where its end record begins "
          "({})",
          source_, directory.entries, directory.bytes, directory.offset, directory_end);
    }
    return directory;
  }

  /// Position of the zip64 end record, if the locator before the end record points to one.
  std::optional<uint64_t> find_zip64_end(size_t end) const {
    if (end < kZip64LocatorBytes + kZip64EndBytes) return std::nullopt;
    const size_t locator = end - kZip64LocatorBytes;
    if (read_number<uint32_t>(bytes_, locator) != kZip64LocatorSignature) return std::nullopt;
    const auto position = read_number<uint64_t>(bytes_, locator + 8);
    if (position > locator - kZip64EndBytes ||
        read_number<uint32_t>(bytes_, position) != kZip64EndSignature ||
        read_number<uint64_t>(bytes_, position + 4) != locator - position - 12) {
      fail("{}: the zip64 locator does not point to a zip64 end record", source_);
    }
    return position;
  }

  std::vector<Record> read_records(const Directory& directory) const {
    std::vector<Record> records;
    uint64_t position = directory.offset;
    const uint64_t end = directory.offset + directory.bytes;
    for (uint64_t i = 0; i < directory.entries; ++i) {
      if (end - position < kDirectoryBytes ||
          read_number<uint32_t>(bytes_, position) != kDirectorySignature) {
        fail("{}: record {} of the zip's directory is damaged", source_, i + 1);
      }
      const uint64_t name_bytes = read_number<uint16_t>(bytes_, position + 28);
      const uint64_t extra_bytes = read_number<uint16_t>(bytes_, position + 30);
      const uint64_t comment_bytes = read_number<uint16_t>(bytes_, position + 32);
      const uint64_t record_bytes = kDirectoryBytes + name_bytes + extra_bytes + comment_bytes;
      if (end - position < record_bytes) {
        fail("{}: record {} of the zip's directory leaves the directory", source_, i + 1);
      }
      Record record;
      record.flags = read_number<uint16_t>(bytes_, position + 8);
      record.method = read_number<uint16_t>(bytes_, position + 10);
      record.crc32 = read_number<uint32_t>(bytes_, position + 16);
      record.stored_bytes = read_number<uint32_t>(bytes_, position + 20);
      record.plain_bytes = read_number<uint32_t>(bytes_, position + 24);
      record.offset = read_number<uint32_t>(bytes_, position + 42);
      record.name = bytes_.substr(position + kDirectoryBytes, name_bytes);
      apply_zip64(record, bytes_.substr(position + kDirectoryBytes + name_bytes, extra_bytes));
      records.push_back(record);
      position += record_bytes;
    }
    if (position != end) fail("{}: the zip's directory has {} bytes too many", source_, end - position);
    return records;
  }

  /// Takes from the zip64 extra field the numbers that did not fit 32 bits, in the order of APPNOTE 4.5.3.
  void apply_zip64(Record& record, std::string_view extra) const {
    std::string_view wide;
    while (extra.size() >= 4) {
      const auto id = read_number<uint16_t>(extra, 0);
      const auto size = read_number<uint16_t>(extra, 2);
      if (size > extra.size() - 4) refuse(record.name, "its extra field leaves the directory record");
      if (id == kZip64ExtraId) wide = extra.substr(4, size);
      extra.remove_prefix(4 + size_t(size));
    }
    for (uint64_t* number : {&record.plain_bytes, &record.stored_bytes, &record.offset}) {
      if (*number != kIn64Bits) continue;
      if (wide.size() < 8) refuse(record.name, "its zip64 sizes are missing");
      *number = read_number<uint64_t>(wide, 0);
      wide.remove_prefix(8);
    }
  }

  /// The content of an entry, after comparing its local header with the directory.
  std::string_view locate(const Record& record, const Directory& directory) const {
    if (record.flags & kEncryptedFlag)
      refuse(record.name, "it is encrypted; save the file without a password");
    if (record.method != kStoredMethod) {
      refuse(
          record.name,
          fmt::format("it is compressed (method {}), which torch.save never does; unpack the zip and use the "
                      "file inside, or save it again with torch.save",
                      record.method));
    }
    if (record.stored_bytes != record.plain_bytes) refuse(record.name, "its two sizes differ");
    const uint64_t end = directory.offset;
    if (record.offset > end || end - record.offset < kLocalBytes) {
      refuse(record.name, "its local header lies outside the file");
    }
    if (read_number<uint32_t>(bytes_, record.offset) != kLocalSignature) {
      refuse(record.name, "its local header is damaged");
    }
    const uint64_t name_bytes = read_number<uint16_t>(bytes_, record.offset + 26);
    const uint64_t extra_bytes = read_number<uint16_t>(bytes_, record.offset + 28);
    const uint64_t head_bytes = kLocalBytes + name_bytes + extra_bytes;
    if (end - record.offset < head_bytes || end - record.offset - head_bytes < record.plain_bytes) {
      refuse(record.name, fmt::format("its {} bytes leave the file", record.plain_bytes));
    }
    check_local_header(record, bytes_.substr(record.offset + kLocalBytes, name_bytes));
    return bytes_.substr(record.offset + head_bytes, record.plain_bytes);
  }

  void check_local_header(const Record& record, std::string_view local_name) const {
    const auto flags = read_number<uint16_t>(bytes_, record.offset + 6);
    const auto method = read_number<uint16_t>(bytes_, record.offset + 8);
    const auto local_crc32 = read_number<uint32_t>(bytes_, record.offset + 14);
    const auto stored_bytes = read_number<uint32_t>(bytes_, record.offset + 18);
    const auto plain_bytes = read_number<uint32_t>(bytes_, record.offset + 22);
    const bool may_be_zero = flags & kDescriptorFlag;
    const auto size_agrees = [&](uint32_t local, uint64_t recorded) {
      return local == recorded || local == kIn64Bits || (may_be_zero && local == 0);
    };
    const bool agrees = local_name == record.name && flags == record.flags && method == record.method &&
                        (local_crc32 == record.crc32 || (may_be_zero && local_crc32 == 0)) &&
                        size_agrees(stored_bytes, record.stored_bytes) &&
                        size_agrees(plain_bytes, record.plain_bytes);
    if (!agrees) refuse(record.name, "its local header contradicts the directory");
  }

  std::string_view bytes_;
  const std::string& source_;
};

}  // namespace

std::vector<ZipEntry> read_zip(std::string_view bytes, const std::string& source) {
  return ZipReader(bytes, source).read();
}

void check_crc32(const ZipEntry& entry, const std::string& source) {
  const uint32_t found = crc32(entry.content);
  if (found != entry.crc32) {
    fail(
        "{}: zip entry \"{}\": CRC-32 {:08x} instead of {:08x}: its content is damaged; fetch the file again",
        source, printable(entry.name), found, entry.crc32);
  }
}

}  // namespace signet::models
