#include "models/protobuf.h"

#include <bit>

namespace signet::models {
namespace {

enum WireType : uint64_t { kVarint = 0, kEightBytes = 1, kLengthDelimited = 2, kFourBytes = 5 };

uint64_t key(int field, WireType type) {
  return uint64_t(field) << 3 | type;
}

}  // namespace

void ProtoMessage::varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes_ += char((value & 0x7f) | 0x80);
  bytes_ += char(value);
}

ProtoMessage& ProtoMessage::integer(int field, int64_t value) {
  varint(key(field, kVarint));
  varint(uint64_t(value));
  return *this;
}

ProtoMessage& ProtoMessage::real(int field, float value) {
  varint(key(field, kFourBytes));
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) bytes_ += char(bits >> shift);
  return *this;
}

ProtoMessage& ProtoMessage::real64(int field, double value) {
  varint(key(field, kEightBytes));
  const auto bits = std::bit_cast<uint64_t>(value);
  for (int shift = 0; shift < 64; shift += 8) bytes_ += char(bits >> shift);
  return *this;
}

ProtoMessage& ProtoMessage::text(int field, std::string_view value) {
  varint(key(field, kLengthDelimited));
  varint(value.size());
  bytes_ += value;
  return *this;
}

ProtoMessage& ProtoMessage::integers(int field, std::span<const int64_t> values) {
  for (const int64_t value : values) integer(field, value);
  return *this;
}

}  // namespace signet::models
