#pragma once
// An ONNX graph under construction. Field numbers: onnx/onnx.proto of https://github.com/onnx/onnx.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "models/archive.h"
#include "models/protobuf.h"

namespace signet::models {

enum class OnnxType : int { f32 = 1, u8 = 2, i64 = 7 };

class OnnxGraph {
 public:
  using Value = std::variant<int64_t, std::string, std::vector<int64_t>>;
  using Attributes = std::vector<std::pair<std::string, Value>>;
  /// A number of elements, or the name of one that is open.
  using Extent = std::variant<int64_t, std::string>;

  void input(const std::string& name, OnnxType type, const std::vector<Extent>& shape);
  void output(const std::string& name, OnnxType type, const std::vector<Extent>& shape);

  /// A constant tensor; its name.
  std::string constant(const std::string& name, const Array& f32);
  std::string constant(const std::string& name, std::span<const float> values, std::vector<int64_t> shape);
  std::string constant(const std::string& name, std::span<const int64_t> values);

  /// A node of one output, which gets the given name; its name. An input "" is one left out.
  std::string node(const std::string& op, const std::vector<std::string>& inputs, const std::string& output,
                   const Attributes& attributes = {});

  /// The file: a ModelProto of IR version 8 that asks for `opset` of the standard operators.
  std::string model(const std::string& name, int64_t opset, const std::string& about,
                    const std::map<std::string, std::string>& metadata) const;

 private:
  std::string tensor(const std::string& name, OnnxType type, std::string_view bytes,
                     std::span<const int64_t> shape);

  ProtoMessage nodes_, constants_, ends_;
};

}  // namespace signet::models
