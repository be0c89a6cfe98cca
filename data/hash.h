#pragma once
// A 64-bit hash that is the same everywhere and always, for keys of random streams.

#include <cstdint>
#include <string_view>

namespace signet::data {

/// FNV-1a, 64 bits (Fowler, Noll and Vo; RFC 9923).
constexpr uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ uint8_t(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace signet::data
