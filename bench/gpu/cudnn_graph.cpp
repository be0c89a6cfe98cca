// cuDNN 9's graph API through its C interface ("backend"): descriptors with attributes, connected to a graph
// of operations, which engines offer to execute. Names and meanings of attributes are those of NVIDIA's
// cuDNN Backend API reference. All tensors are NHWC (dimensions are told in the order N, C, H, W, with the
// strides of NHWC), filters KRSC, which is Signet's OHWI.

#include "bench/gpu/cudnn.h"

#include <cudnn.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "bench/gpu/timer.h"

namespace signet::bench::cudnn {
namespace {

std::string last_error() {
  char text[1024] = "";
  cudnnGetLastErrorString(text, sizeof text);
  std::string message = text;
  while (!message.empty() && message.back() == '\n') message.pop_back();
  return message;
}

void check(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::string message = std::string(call) + ": " + cudnnGetErrorString(status);
  if (const std::string reason = last_error(); !reason.empty()) message += " (" + reason + ")";
  throw Refusal(message);
}
#define SIGNET_CUDNN_CHECK(call) check((call), #call)

/// A backend descriptor that is destroyed with its last owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t raw = nullptr;
    SIGNET_CUDNN_CHECK(cudnnBackendCreateDescriptor(type, &raw));
    raw_ = std::shared_ptr<void>(raw, [](void* p) { static_cast<void>(cudnnBackendDestroyDescriptor(p)); });
  }

  cudnnBackendDescriptor_t get() const { return raw_.get(); }

  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const std::vector<T>& values) {
    SIGNET_CUDNN_CHECK(cudnnBackendSetAttribute(get(), name, type, int64_t(values.size()), values.data()));
  }
  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    SIGNET_CUDNN_CHECK(cudnnBackendSetAttribute(get(), name, type, 1, &value));
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, other.get());
  }
  void set(cudnnBackendAttributeName_t name, const std::vector<int64_t>& values) {
    set(name, CUDNN_TYPE_INT64, values);
  }

  void finalize() { SIGNET_CUDNN_CHECK(cudnnBackendFinalize(get())); }

  template <class T>
  T get_one(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
    T value{};
    int64_t count = 0;
    SIGNET_CUDNN_CHECK(cudnnBackendGetAttribute(get(), name, type, 1, &count, &value));
    return value;
  }

 private:
  std::shared_ptr<void> raw_;
};

// ---- the device

std::string& device_json() {
  static std::string json;
  return json;
}

const Descriptor& device() {
  static const Descriptor described = [] {
    Descriptor d(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    if (const std::string& json = device_json(); !json.empty()) {
      d.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
            std::vector<char>(json.begin(), json.end()));
    } else {
      int current = 0;
      if (cudaGetDevice(&current) != cudaSuccess) throw std::runtime_error("cudaGetDevice failed");
      d.set(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, int32_t(current));
    }
    d.finalize();
    return d;
  }();
  return described;
}

cudnnHandle_t handle() {
  static cudnnHandle_t made = [] {
    cudnnHandle_t h = nullptr;
    SIGNET_CUDNN_CHECK(cudnnCreate(&h));
    return h;
  }();
  SIGNET_CUDNN_CHECK(cudnnSetStream(made, static_cast<cudaStream_t>(current_stream_handle())));
  return made;
}

// ---- graphs

constexpr int64_t kAlignment = 16;  // of every pointer, in bytes

/// A graph under construction. Tensors that are buffers of the problem have their place in Buffers as the
/// number by which the plan is given pointers: inputs from 1, outputs from 101.
class Graph {
 public:
  static constexpr int64_t kInput = 1, kOutput = 101, kVirtual = 201;

  /// dims in the order N, C, H, W; memory in the order N, H, W, C.
  Descriptor tensor(int64_t id, const std::array<int64_t, 4>& dims) {
    const auto [n, c, h, w] = dims;
    static_cast<void>(n);
    Descriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id);
    t.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    t.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, kAlignment);
    t.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::vector<int64_t>(dims.begin(), dims.end()));
    t.set(CUDNN_ATTR_TENSOR_STRIDES, std::vector<int64_t>{h * w * c, 1, w * c, c});
    if (id >= kVirtual) t.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, true);
    t.finalize();
    return t;
  }
  Descriptor virtual_tensor(const std::array<int64_t, 4>& dims) {
    return tensor(kVirtual + virtuals_++, dims);
  }

  void add(Descriptor operation) {
    operation.finalize();
    operations_.push_back(std::move(operation));
  }

  /// y = mode(x, b), or mode(x) if b is null.
  void pointwise(cudnnPointwiseMode_t mode, const Descriptor& x, const Descriptor* b, const Descriptor& y) {
    Descriptor what(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    what.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode);
    what.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    what.finalize();
    Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, what);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (b != nullptr) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    add(std::move(operation));
  }

  Descriptor finish() {
    std::vector<cudnnBackendDescriptor_t> raw;
    for (const Descriptor& operation : operations_) raw.push_back(operation.get());
    Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, raw);
    graph.finalize();
    return graph;
  }

 private:
  std::vector<Descriptor> operations_;
  int64_t virtuals_ = 0;
};

Descriptor convolution(const Conv2dShape& s) {
  Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
  d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, int64_t(2));
  d.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::vector<int64_t>{s.dilation, s.dilation});
  d.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::vector<int64_t>{s.stride, s.stride});
  d.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::vector<int64_t>{s.padding, s.padding});
  d.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, std::vector<int64_t>{s.padding, s.padding});
  d.finalize();
  return d;
}

/// An operation on the tensors x, w and y of a convolution, with the attributes' names of its kind.
struct ConvolutionNames {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t alpha, beta, convolution, x, w, y;
};

void add_convolution(Graph& graph, const ConvolutionNames& names, const Conv2dShape& shape,
                     const Descriptor& x, const Descriptor& w, const Descriptor& y) {
  Descriptor operation(names.operation);
  operation.set(names.convolution, convolution(shape));
  operation.set(names.x, x);
  operation.set(names.w, w);
  operation.set(names.y, y);
  operation.set(names.alpha, CUDNN_TYPE_FLOAT, 1.0F);
  operation.set(names.beta, CUDNN_TYPE_FLOAT, 0.0F);
  graph.add(std::move(operation));
}

constexpr ConvolutionNames kForward{CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y};
constexpr ConvolutionNames kBackwardData{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY};
constexpr ConvolutionNames kBackwardWeight{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
                                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY};

void add_conv(Graph& g, const Problem& p) {
  const Conv2dShape& s = p.conv;
  const std::array<int64_t, 4> x_dims{s.batch, s.in_channels, s.in_height, s.in_width};
  const std::array<int64_t, 4> w_dims{s.out_channels, s.in_channels, s.kernel_height, s.kernel_width};
  const std::array<int64_t, 4> y_dims{s.batch, s.out_channels, s.out_height(), s.out_width()};
  const int64_t in = Graph::kInput, out = Graph::kOutput;
  switch (p.operation) {
    case Operation::conv_forward:
      return add_convolution(g, kForward, s, g.tensor(in, x_dims), g.tensor(in + 1, w_dims),
                             g.tensor(out, y_dims));
    case Operation::conv_backward_data:
      return add_convolution(g, kBackwardData, s, g.tensor(out, x_dims), g.tensor(in + 1, w_dims),
                             g.tensor(in, y_dims));
    case Operation::conv_backward_weight:
      return add_convolution(g, kBackwardWeight, s, g.tensor(in + 1, x_dims), g.tensor(out, w_dims),
                             g.tensor(in, y_dims));
    default:
      break;
  }
  // y = relu(conv + residual + bias): the order of operands that cuDNN knows as one pattern.
  const Descriptor product = g.virtual_tensor(y_dims), sum = g.virtual_tensor(y_dims),
                   biased = g.virtual_tensor(y_dims);
  const Descriptor bias = g.tensor(in + 2, {1, s.out_channels, 1, 1}), residual = g.tensor(in + 3, y_dims);
  add_convolution(g, kForward, s, g.tensor(in, x_dims), g.tensor(in + 1, w_dims), product);
  g.pointwise(CUDNN_POINTWISE_ADD, product, &residual, sum);
  g.pointwise(CUDNN_POINTWISE_ADD, sum, &bias, biased);
  g.pointwise(CUDNN_POINTWISE_RELU_FWD, biased, nullptr, g.tensor(out, y_dims));
}

// ---- engines

std::vector<Descriptor> heuristic_configs(const Descriptor& graph, cudnnBackendHeurMode_t mode) {
  try {
    Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device());
    heuristic.finalize();
    int64_t count = 0;
    SIGNET_CUDNN_CHECK(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr));
    std::vector<Descriptor> configs;
    std::vector<cudnnBackendDescriptor_t> raw;
    for (int64_t i = 0; i < count; ++i) {
      configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
      raw.push_back(configs.back().get());
    }
    SIGNET_CUDNN_CHECK(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, raw.data()));
    configs.resize(size_t(count));
    return configs;
  } catch (const Refusal&) {
    return {};  // this mode knows nothing of the graph; the others may
  }
}

std::vector<Descriptor> default_configs(const Descriptor& graph) {
  std::vector<Descriptor> configs;
  const auto engines =
      graph.get_one<int64_t>(CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, CUDNN_TYPE_INT64);
  for (int64_t i = 0; i < engines; ++i) {
    try {
      Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
      engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph);
      engine.set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, i);
      engine.set(CUDNN_ATTR_ENGINE_DEVICEPROP, device());
      engine.finalize();
      Descriptor config(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
      config.set(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
      config.finalize();
      configs.push_back(std::move(config));
    } catch (const Refusal&) {
      continue;  // an engine for other devices or graphs
    }
  }
  return configs;
}

std::set<cudnnBackendNumericalNote_t> notes_of(const Descriptor& engine) {
  std::vector<cudnnBackendNumericalNote_t> notes(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  int64_t count = 0;
  SIGNET_CUDNN_CHECK(cudnnBackendGetAttribute(engine.get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                              CUDNN_TYPE_NUMERICAL_NOTE, int64_t(notes.size()), &count,
                                              notes.data()));
  return {notes.begin(), notes.begin() + std::min<int64_t>(count, int64_t(notes.size()))};
}

}  // namespace

struct Plan::State {
  Descriptor plan;
};

namespace {

/// The plan of one engine configuration; throws Refusal if it cannot be made or breaks the rules of `math`.
Plan make_plan(const Descriptor& config, MatrixMath math) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.get();
  int64_t count = 0;
  SIGNET_CUDNN_CHECK(cudnnBackendGetAttribute(config.get(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &raw));
  const auto notes = notes_of(engine);
  Candidate candidate{.engine = "engine " + std::to_string(engine.get_one<int64_t>(
                                                CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64)),
                      .tensor_cores = notes.contains(CUDNN_NUMERICAL_NOTE_TENSOR_CORE),
                      .winograd = notes.contains(CUDNN_NUMERICAL_NOTE_WINOGRAD),
                      .fft = notes.contains(CUDNN_NUMERICAL_NOTE_FFT),
                      .deterministic = !notes.contains(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)};
  if (math == MatrixMath::f32 &&
      (candidate.tensor_cores || notes.contains(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) ||
       notes.contains(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)))
    throw Refusal(candidate.engine + " rounds its operands");

  auto state = std::make_shared<Plan::State>();
  state->plan = Descriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  state->plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
  state->plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device());
  state->plan.finalize();
  candidate.workspace_bytes =
      state->plan.get_one<int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64);
  if (candidate.workspace_bytes > kWorkspaceLimit)
    throw Refusal(candidate.engine + " needs too large a workspace");
  return {std::move(state), std::move(candidate)};
}

}  // namespace

std::string Candidate::describe() const {
  std::string text = engine + ", workspace " + std::to_string((workspace_bytes + 1023) / 1024) + " KiB";
  if (tensor_cores) text += ", tensor cores";
  if (winograd) text += ", Winograd";
  if (fft) text += ", FFT";
  if (!deterministic) text += ", not deterministic";
  return text;
}

Plan::Plan(std::shared_ptr<State> state, Candidate candidate)
    : state_(std::move(state)), candidate_(std::move(candidate)) {}

void Plan::run(const Buffers& buffers) const {
  std::vector<int64_t> ids;
  std::vector<void*> pointers;
  const auto give = [&](int64_t first, const std::vector<float*>& of) {
    for (size_t i = 0; i < of.size(); ++i) {
      ids.push_back(first + int64_t(i));
      pointers.push_back(of[i]);
    }
  };
  give(Graph::kInput, buffers.in);
  give(Graph::kOutput, buffers.out);

  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids);
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, pointers);
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
           cuda::workspace(candidate_.workspace_bytes));
  pack.finalize();
  SIGNET_CUDNN_CHECK(cudnnBackendExecute(handle(), state_->plan.get(), pack.get()));
}

void describe_device(const std::string& json) {
  device_json() = json;
}

std::vector<Plan> plans(const Problem& problem, MatrixMath math, Search search, int most) {
  Graph graph;
  add_conv(graph, problem);
  const Descriptor finished = graph.finish();

  std::vector<Plan> found;
  int tried = 0;
  std::string last = "no engine was named";
  const auto try_all = [&](const std::vector<Descriptor>& configs) {
    for (const Descriptor& config : configs) {
      if (int(found.size()) == most) return;
      ++tried;
      try {
        found.push_back(make_plan(config, math));
      } catch (const Refusal& refusal) {
        last = refusal.what();
      }
    }
  };
  try_all(heuristic_configs(finished, CUDNN_HEUR_MODE_A));
  for (const auto mode : {CUDNN_HEUR_MODE_B, CUDNN_HEUR_MODE_FALLBACK}) {
    if (search == Search::exhaustive || found.empty()) try_all(heuristic_configs(finished, mode));
  }
  if (search == Search::exhaustive) try_all(default_configs(finished));
  if (found.empty()) {
    throw Refusal("none of " + std::to_string(tried) +
                  " engine configurations can be used; the last: " + last);
  }
  return found;
}

std::string version() {
  const size_t v = cudnnGetVersion();  // major * 10000 + minor * 100 + patch
  return "cuDNN " + std::to_string(v / 10000) + "." + std::to_string(v / 100 % 100) + "." +
         std::to_string(v % 100);
}

}  // namespace signet::bench::cudnn
