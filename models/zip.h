#pragma once
// Reading the uncompressed zip that torch.save writes.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace signet::models {

/// One entry of a zip: views of the bytes given to read_zip.
struct ZipEntry {
  std::string_view name;
  std::string_view content;
  uint32_t crc32 = 0;  ///< as the directory records it; check_crc32 compares it with the content
};

/// The entries of a zip held in memory, in the order of its central directory (PKWARE APPNOTE 6.3.10, with
/// the zip64 records). `source` names the file in errors. Throws Error for a truncated or contradictory file:
/// entries that overlap or leave the file, local headers that differ from the directory, names used twice,
/// encrypted, split or compressed entries.
std::vector<ZipEntry> read_zip(std::string_view bytes, const std::string& source);

/// Throws Error if the content of an entry does not have the recorded CRC-32.
void check_crc32(const ZipEntry& entry, const std::string& source);

}  // namespace signet::models
