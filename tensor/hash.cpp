#include "tensor/hash.h"

#include <array>
#include <cstddef>

namespace signet {
namespace {

// Tables for sixteen bytes a step: entry [k][b] is the CRC of byte b followed by k zero bytes.
constexpr size_t kCrcStep = 16;

constexpr auto make_crc_tables(uint32_t polynomial) {
  std::array<std::array<uint32_t, 256>, kCrcStep> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? polynomial : 0u);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < kCrcStep; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t crc = tables[k - 1][byte];
      tables[k][byte] = crc >> 8 ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}

using CrcTables = decltype(make_crc_tables(0));

constexpr auto kCrc32 = make_crc_tables(0xedb88320u);
constexpr auto kCrc32c = make_crc_tables(0x82f63b78u);

uint32_t crc(const CrcTables& tables, std::string_view bytes) {
  uint32_t crc = ~0u;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= kCrcStep; left -= kCrcStep, data += kCrcStep) {
    uint32_t next = 0;
    for (size_t i = 0; i < 4; ++i) next ^= tables[kCrcStep - 1 - i][(crc >> 8 * i & 0xff) ^ data[i]];
    for (size_t i = 4; i < kCrcStep; ++i) next ^= tables[kCrcStep - 1 - i][data[i]];
    crc = next;
  }
  for (; left > 0; --left, ++data) crc = crc >> 8 ^ tables[0][(crc ^ *data) & 0xff];
  return ~crc;
}

}  // namespace

uint32_t crc32(std::string_view bytes) {
  return crc(kCrc32, bytes);
}

uint32_t crc32c(std::string_view bytes) {
  return crc(kCrc32c, bytes);
}

}  // namespace signet
