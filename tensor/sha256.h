#pragma once
// SHA-256, by which a run names the weights it began with.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace signet {

/// SHA-256 of bytes that arrive piece by piece (FIPS 180-4, sections 5.1.1 and 6.2).
class Sha256 {
 public:
  Sha256();

  /// Appends bytes to the message; pieces of any length give the digest of their concatenation.
  void update(std::string_view bytes);

  /// The digest of the message as 64 lower-case hexadecimal digits. Ends the message: update and hex_digest
  /// throw std::logic_error afterwards.
  std::string hex_digest();

 private:
  static constexpr size_t kBlockBytes = 64;

  void absorb(const unsigned char* blocks, size_t count);

  std::array<uint32_t, 8> state_;
  std::array<unsigned char, kBlockBytes> pending_{};
  size_t pending_bytes_ = 0;
  uint64_t message_bytes_ = 0;
  bool finished_ = false;
};

/// SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

}  // namespace signet
