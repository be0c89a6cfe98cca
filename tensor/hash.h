#pragma once
// Short hashes that are the same everywhere and always. For a cryptographic one see tensor/sha256.h.

#include <cstdint>
#include <string_view>

namespace signet {

constexpr uint64_t kFnvPrime = 0x100000001b3u;

/// FNV-1a, 64 bits (Fowler, Noll and Vo; RFC 9923): turns names into keys of random streams.
constexpr uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ uint8_t(c)) * kFnvPrime;
  return hash;
}

/// CRC-32 as zip and PNG use it (polynomial 0xEDB88320, reflected, inverted at both ends).
uint32_t crc32(std::string_view bytes);

/// CRC-32C, Castagnoli's, as iSCSI and TFRecord files use it (polynomial 0x82F63B78, else the same; RFC 3720,
/// section 12.1).
uint32_t crc32c(std::string_view bytes);

}  // namespace signet
