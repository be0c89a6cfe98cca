#include "models/onnx.h"

#include <fmt/format.h>

#include <array>
#include <stdexcept>

#include "models/fold.h"
#include "models/onnx_graph.h"
#include "models/state_dict.h"

namespace signet::models {
namespace {

constexpr const char* kImages = "images";
constexpr const char* kLogits = "logits";

/// Writes the layers of one network, with the weights of its archive.
class Writer {
 public:
  Writer(const Archive& archive, OnnxGraph& graph) : archive_(archive), graph_(graph) {}

  std::string convolution(const std::string& x, const std::string& name, int64_t stride, int64_t padding) {
    const Array& weight = array(name + ".weight");
    std::vector<std::string> inputs{x, constant(name + ".weight")};
    if (archive_.find(name + ".bias") != nullptr) inputs.push_back(constant(name + ".bias"));
    const std::vector<int64_t> kernel{weight.shape[2], weight.shape[3]};
    auto y = graph_.node("Conv", inputs, name,
                         {{"kernel_shape", kernel},
                          {"strides", std::vector<int64_t>(2, stride)},
                          {"pads", std::vector<int64_t>(4, padding)}});
    const auto bn = batchnorm_after(name);
    if (!bn || archive_.find(*bn + ".weight") == nullptr) return y;
    inputs = {y};
    for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) {
      inputs.push_back(constant(*bn + part));
    }
    return graph_.node("BatchNormalization", inputs, *bn);  // its default epsilon is 1e-5 too
  }

  std::string relu(const std::string& x) { return graph_.node("Relu", {x}, x + ".relu"); }

  std::string maxpool(const std::string& x, int64_t kernel, int64_t padding) {
    return graph_.node("MaxPool", {x}, x + ".pool",
                       {{"kernel_shape", std::vector<int64_t>(2, kernel)},
                        {"strides", std::vector<int64_t>(2, 2)},
                        {"pads", std::vector<int64_t>(4, padding)}});
  }

  std::string flatten(const std::string& x) { return graph_.node("Flatten", {x}, x + ".flat"); }

  std::string linear(const std::string& x, const std::string& name, const std::string& output) {
    return graph_.node("Gemm", {x, constant(name + ".weight"), constant(name + ".bias")}, output,
                       {{"transB", int64_t{1}}});
  }

  bool has(const std::string& module) const { return archive_.find(module + ".weight") != nullptr; }

  OnnxGraph& graph() { return graph_; }

 private:
  const Array& array(const std::string& name) const {
    const Array* found = archive_.find(name);
    if (found == nullptr) throw std::logic_error("[to_onnx] the network has no " + name);
    return *found;
  }

  std::string constant(const std::string& name) { return graph_.constant(name, array(name)); }

  const Archive& archive_;
  OnnxGraph& graph_;
};

void write_resnet(Writer& w, const std::string& images) {
  std::string x = w.maxpool(w.relu(w.convolution(images, "conv1", 2, 3)), 3, 1);
  for (int layer = 1; layer <= 4; ++layer) {
    for (int block = 0;; ++block) {
      const auto name = fmt::format("layer{}.{}", layer, block);
      if (!w.has(name + ".conv1")) break;
      const int64_t stride = layer > 1 && block == 0 ? 2 : 1;
      const bool projected = w.has(name + ".downsample.0");
      const auto shortcut = projected ? w.convolution(x, name + ".downsample.0", stride, 0) : x;
      const auto first = w.relu(w.convolution(x, name + ".conv1", stride, 1));
      const auto second = w.convolution(first, name + ".conv2", 1, 1);
      x = w.relu(w.graph().node("Add", {second, shortcut}, name));
    }
  }
  x = w.graph().node("GlobalAveragePool", {x}, "avgpool");
  w.linear(w.flatten(x), "fc", kLogits);
}

void write_cnn(Writer& w, const std::string& images) {
  std::string x = images;
  for (const char* name : {"0", "3", "6"}) x = w.maxpool(w.relu(w.convolution(x, name, 1, 1)), 2, 0);
  w.linear(w.relu(w.linear(w.flatten(x), "10", "10")), "13", kLogits);
}

void write_mlp(Writer& w, const std::string& images) {
  const auto first = w.relu(w.linear(w.flatten(images), "1", "1"));
  w.linear(w.relu(w.linear(first, "4", "4")), "7", kLogits);
}

/// Decoded pictures to the network's input, as data/image.h does it; the name of the result.
std::string write_preprocessing(OnnxGraph& graph, const std::string& pictures, const InputSpec& input) {
  const auto cast = [&](const std::string& x, OnnxType type, const std::string& name) {
    return graph.node("Cast", {x}, name, {{"to", int64_t(type)}});
  };
  std::string x =
      graph.node("Transpose", {pictures}, "channels_first", {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
  if (input.channels == 1) {
    // The luma in 16-bit fixed point: every intermediate value is a whole number below 2^24.
    const std::array<float, 3> weights{19595, 38470, 7471};
    const float half = 32768, unit = 65536;
    const int64_t channel_axis = 1;
    x = cast(x, OnnxType::f32, "colours");
    x = graph.node("Mul", {x, graph.constant("luma_weights", weights, {1, 3, 1, 1})}, "luma_parts");
    x = graph.node("ReduceSum", {x, graph.constant("channel_axis", {&channel_axis, 1})}, "luma_sum");
    x = graph.node("Add", {x, graph.constant("luma_half", {&half, 1}, {1})}, "luma_rounded");
    x = graph.node("Floor", {graph.node("Div", {x, graph.constant("luma_unit", {&unit, 1}, {1})}, "luma")},
                   "luma_whole");
    x = cast(x, OnnxType::u8, "grey");
  }
  // The whole shape is spelt out: given the two axes alone (opset 18), ONNX Runtime 1.32 fails to load the
  // graph after moving the transposition.
  const std::vector<int64_t> rest{input.channels, input.size, input.size};
  const int64_t first = 0;
  const auto batch = graph.node(
      "Gather", {graph.node("Shape", {pictures}, "picture_shape"), graph.constant("first", {&first, 1})},
      "batch_size");
  const auto shape =
      graph.node("Concat", {batch, graph.constant("rest", rest)}, "input_shape", {{"axis", int64_t{0}}});
  x = graph.node("Resize", {x, "", "", shape}, "resized",
                 {{"mode", std::string("linear")},
                  {"antialias", int64_t{1}},
                  {"exclude_outside", int64_t{1}},  // weights at the edges add up to one, as Pillow's do
                  {"coordinate_transformation_mode", std::string("half_pixel")}});
  x = cast(x, OnnxType::f32, "pixels");
  std::array<float, 3> mean{}, deviation{};
  for (size_t c = 0; c < 3; ++c) {
    mean[c] = 255 * input.mean[c];
    deviation[c] = 255 * input.deviation[c];
  }
  const auto of_channels = [&](const std::array<float, 3>& values, const std::string& name) {
    return graph.constant(name, std::span(values).first(size_t(input.channels)), {1, input.channels, 1, 1});
  };
  x = graph.node("Sub", {x, of_channels(mean, "mean_255")}, "centred");
  return graph.node("Div", {x, of_channels(deviation, "deviation_255")}, "normalised");
}

}  // namespace

std::string to_onnx(Network& network, const std::map<std::string, std::string>& metadata,
                    const OnnxOptions& options) {
  const InputSpec input = network.input();
  const Archive weights = save_weights(network);
  const Archive archive = options.fold_batchnorm ? fold_batchnorm(weights) : weights;
  OnnxGraph graph;
  std::string images = kImages;
  if (options.with_preprocessing) {
    graph.input(kImages, OnnxType::u8, {"batch", "height", "width", int64_t{3}});
    images = write_preprocessing(graph, kImages, input);
  } else {
    graph.input(kImages, OnnxType::f32,
                {"batch", int64_t{input.channels}, int64_t{input.size}, int64_t{input.size}});
  }
  graph.output(kLogits, OnnxType::f32, {"batch", int64_t{network.num_classes()}});
  Writer writer(archive, graph);
  const std::string architecture = network.architecture();
  if (architecture == "mlp") {
    write_mlp(writer, images);
  } else if (architecture == "cnn") {
    write_cnn(writer, images);
  } else {
    write_resnet(writer, images);
  }
  return graph.model(architecture, options.with_preprocessing ? 18 : 17,
                     "Class names, preprocessing and seed are in the metadata under \"signet\".", metadata);
}

}  // namespace signet::models
