#pragma once
// Writing Protocol Buffers messages: as much of the wire format as ONNX and event files need.
//
// Source: https://protobuf.dev/programming-guides/encoding. A message is a row of fields; a field is its
// number and wire type in one varint, then a varint (type 0), eight or four bytes (types 1 and 5) or a length
// and that many bytes (type 2: texts, bytes and messages).

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace signet::models {

/// One message under construction.
class ProtoMessage {
 public:
  /// int32, int64 and enumerations; negative numbers take ten bytes.
  ProtoMessage& integer(int field, int64_t value);
  /// float.
  ProtoMessage& real(int field, float value);
  /// double.
  ProtoMessage& real64(int field, double value);
  /// string, bytes.
  ProtoMessage& text(int field, std::string_view value);
  ProtoMessage& message(int field, const ProtoMessage& value) { return text(field, value.bytes_); }
  /// repeated int64, one field each, which readers take for packed fields too.
  ProtoMessage& integers(int field, std::span<const int64_t> values);

  const std::string& bytes() const { return bytes_; }

 private:
  void varint(uint64_t value);

  std::string bytes_;
};

}  // namespace signet::models
