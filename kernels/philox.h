#pragma once
// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"
// (SC'11). A draw is a pure function of (key, counter): the same on every device, in any order, on any number
// of threads.

#include <array>
#include <cmath>
#include <cstdint>

#include "kernels/host_device.h"

namespace signet {

/// Names one independent stream of random numbers. Two streams that differ in either field are unrelated.
struct PhiloxKey {
  uint64_t seed = 0;
  uint64_t stream = 0;
};

/// The 128 random bits at position `index` of the stream `key`, as four 32-bit words. An array of the
/// language, because the members of std::array cannot be called on a device.
SIGNET_HOST_DEVICE constexpr void philox_words(uint32_t (&words)[4], PhiloxKey key, uint64_t index) {
  uint32_t c0 = uint32_t(index), c1 = uint32_t(index >> 32);
  uint32_t c2 = uint32_t(key.stream), c3 = uint32_t(key.stream >> 32);
  uint32_t k0 = uint32_t(key.seed), k1 = uint32_t(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0;
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c2;
    c0 = uint32_t(p1 >> 32) ^ c1 ^ k0;
    c1 = uint32_t(p1);
    c2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c3 = uint32_t(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

/// The same on the host, as a value.
constexpr std::array<uint32_t, 4> philox(PhiloxKey key, uint64_t index) {
  uint32_t words[4] = {};
  philox_words(words, key, index);
  return {words[0], words[1], words[2], words[3]};
}

/// Maps 32 random bits to [0, 1) with 24 bits of resolution: every value is exact in float.
SIGNET_HOST_DEVICE constexpr float philox_uniform(uint32_t bits) {
  return float(bits >> 8) * 0x1p-24f;
}

/// A stream for one purpose, from up to three numbers: mixed by Philox itself, so that neighbours are
/// unrelated.
constexpr PhiloxKey philox_derive(PhiloxKey parent, uint64_t a, uint64_t b = 0, uint64_t c = 0) {
  for (const uint64_t part : {a, b, c}) {
    const auto w = philox(parent, part);
    parent = {w[0] | uint64_t{w[1]} << 32, w[2] | uint64_t{w[3]} << 32};
  }
  return parent;
}

}  // namespace signet
