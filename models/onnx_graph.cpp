#include "models/onnx_graph.h"

#include <stdexcept>

namespace signet::models {
namespace {

enum ModelField {
  kIrVersion = 1,
  kProducer,
  kProducerVersion,
  kDoc = 6,
  kGraph,
  kOpsetImport,
  kMetadata = 14
};
enum GraphField { kNode = 1, kGraphName, kInitializer = 5, kInput = 11, kOutput };
enum NodeField { kNodeInput = 1, kNodeOutput, kNodeName, kOpType, kAttribute };
enum AttributeField { kAttributeName = 1, kInt = 3, kString, kInts = 8, kAttributeType = 20 };
enum AttributeType { kTypeInt = 2, kTypeString = 3, kTypeInts = 7 };
enum TensorField { kDims = 1, kDataType, kTensorName = 8, kRawData };

constexpr int64_t kIr = 8;  // the version that came with opset 15 to 18

ProtoMessage attribute_of(const std::string& name, const OnnxGraph::Value& value) {
  ProtoMessage attribute;
  attribute.text(kAttributeName, name);
  if (const auto* number = std::get_if<int64_t>(&value)) {
    attribute.integer(kInt, *number).integer(kAttributeType, kTypeInt);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    attribute.text(kString, *text).integer(kAttributeType, kTypeString);
  } else {
    attribute.integers(kInts, std::get<std::vector<int64_t>>(value)).integer(kAttributeType, kTypeInts);
  }
  return attribute;
}

/// A ValueInfoProto: the name, type and shape of an input or output.
ProtoMessage end_of(const std::string& name, OnnxType type, const std::vector<OnnxGraph::Extent>& shape) {
  ProtoMessage dimensions;
  for (const auto& extent : shape) {
    ProtoMessage dimension;
    if (const auto* size = std::get_if<int64_t>(&extent)) {
      dimension.integer(1, *size);
    } else {
      dimension.text(2, std::get<std::string>(extent));
    }
    dimensions.message(1, dimension);
  }
  const auto tensor = ProtoMessage().integer(1, int(type)).message(2, dimensions);
  return ProtoMessage().text(1, name).message(2, ProtoMessage().message(1, tensor));
}

template <class T>
std::string_view bytes_of(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

}  // namespace

void OnnxGraph::input(const std::string& name, OnnxType type, const std::vector<Extent>& shape) {
  ends_.message(kInput, end_of(name, type, shape));
}

void OnnxGraph::output(const std::string& name, OnnxType type, const std::vector<Extent>& shape) {
  ends_.message(kOutput, end_of(name, type, shape));
}

std::string OnnxGraph::tensor(const std::string& name, OnnxType type, std::string_view bytes,
                              std::span<const int64_t> shape) {
  ProtoMessage message;
  message.integers(kDims, shape).integer(kDataType, int(type)).text(kTensorName, name).text(kRawData, bytes);
  constants_.message(kInitializer, message);
  return name;
}

std::string OnnxGraph::constant(const std::string& name, const Array& f32) {
  if (f32.dtype != "F32") throw std::invalid_argument("[OnnxGraph::constant] " + name + " is no F32 array");
  return tensor(name, OnnxType::f32, {reinterpret_cast<const char*>(f32.bytes.data()), f32.bytes.size()},
                f32.shape);
}

std::string OnnxGraph::constant(const std::string& name, std::span<const float> values,
                                std::vector<int64_t> shape) {
  return tensor(name, OnnxType::f32, bytes_of(values), shape);
}

std::string OnnxGraph::constant(const std::string& name, std::span<const int64_t> values) {
  const int64_t count = int64_t(values.size());
  return tensor(name, OnnxType::i64, bytes_of(values), {&count, 1});
}

std::string OnnxGraph::node(const std::string& op, const std::vector<std::string>& inputs,
                            const std::string& output, const Attributes& attributes) {
  ProtoMessage node;
  for (const auto& input : inputs) node.text(kNodeInput, input);
  node.text(kNodeOutput, output).text(kNodeName, output).text(kOpType, op);
  for (const auto& [name, value] : attributes) node.message(kAttribute, attribute_of(name, value));
  nodes_.message(kNode, node);
  return output;
}

std::string OnnxGraph::model(const std::string& name, int64_t opset, const std::string& about,
                             const std::map<std::string, std::string>& metadata) const {
  // A message is the concatenation of its fields, so the parts need no copy of their own structure.
  ProtoMessage graph;
  graph.text(kGraphName, name);
  ProtoMessage model;
  model.integer(kIrVersion, kIr).text(kProducer, "signet").text(kProducerVersion, SIGNET_VERSION);
  model.text(kDoc, about);
  model.text(kGraph, nodes_.bytes() + graph.bytes() + constants_.bytes() + ends_.bytes());
  model.message(kOpsetImport, ProtoMessage().text(1, "").integer(2, opset));
  for (const auto& [key, value] : metadata) {
    model.message(kMetadata, ProtoMessage().text(1, key).text(2, value));
  }
  return model.bytes();
}

}  // namespace signet::models
