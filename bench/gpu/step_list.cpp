#include "bench/gpu/step_list.h"

#include <algorithm>

#include "tensor/tensor.h"

namespace signet::bench {
namespace {

const Device kDevice{Device::Type::cuda, 0};

/// A feature map and the gradient that arrives at it.
struct Map {
  int64_t side = 0, channels = 0;
  Tensor value, gradient;
};

class List {
 public:
  List(const StepProblem& problem, std::unique_ptr<StepKernels> kernels)
      : problem_(problem), kernels_(std::move(kernels)), network_(step_network(problem)) {
    for (const auto& p : network_->parameters()) {
      Parameter& parameter = parameters_[p.name];
      parameter.value = *p.tensor;
      parameter.gradient = buffer(p.tensor->shape());
      parameter.m = Tensor::zeros(p.tensor->shape(), kDevice);
      parameter.v = Tensor::zeros(p.tensor->shape(), kDevice);
      adam_.push_back({.w = parameter.value.data(),
                       .m = parameter.m.data(),
                       .v = parameter.v.data(),
                       .g = parameter.gradient.data(),
                       .n = parameter.value.size()});
    }
    build();
  }

  void run() {
    for (const Run& layer : forward_) layer();
    for (auto layer = backward_.rbegin(); layer != backward_.rend(); ++layer) (*layer)();
    ++steps_;
    cuda::adam_steps(adam_.data(), int64_t(adam_.size()), kStepRate, 0.9, 0.999, 1e-8, 0, false, steps_);
  }

  StepResults results() const {
    StepResults results{.loss = loss_.item(), .gradients = {}};
    for (const auto& [name, p] : parameters_) results.gradients[name] = p.gradient.to_vector();
    return results;
  }

 private:
  struct Parameter {
    Tensor value, gradient, m, v;
  };

  Tensor buffer(const Shape& shape) { return kept_.emplace_back(Tensor::empty(shape, kDevice)); }
  Map map(int64_t side, int64_t channels) {
    const Shape shape{problem_.batch, side, side, channels};
    return {side, channels, buffer(shape), buffer(shape)};
  }

  void do_forward(Run run) { forward_.push_back(std::move(run)); }
  /// Runs after everything that is added later.
  void do_backward(Run run) { backward_.push_back(std::move(run)); }

  /// y = bn(conv(x)) (+ residual) (then ReLU). Backward, dx is assigned (nothing is if x is null: images),
  /// and residual's gradient too.
  Map conv_bn(const std::string& conv, const std::string& bn, const Tensor& x, int64_t side, int64_t in,
              int64_t out, int64_t kernel, int64_t stride, float* dx, const Map* residual, float* dresidual,
              bool relu) {
    const Parameter& w = parameters_.at(conv + ".weight");
    const Parameter &gamma = parameters_.at(bn + ".weight"), &beta = parameters_.at(bn + ".bias");
    Problem p{.operation = Operation::conv_forward,
              .conv = {.batch = problem_.batch,
                       .in_height = side,
                       .in_width = side,
                       .in_channels = in,
                       .out_channels = out,
                       .kernel_height = kernel,
                       .kernel_width = kernel,
                       .stride = stride,
                       .padding = kernel / 2},
              .batch = problem_.batch};
    const int64_t out_side = p.conv.out_height();
    const Map product = map(out_side, out), y = map(out_side, out);
    const Tensor mean = buffer({out}), inv_std = buffer({out});

    do_forward(kernels_->layer(p, {{x.data(), w.value.data()}, {product.value.data()}}));
    p.operation = Operation::conv_backward_data;
    if (dx != nullptr) do_backward(kernels_->layer(p, {{product.gradient.data(), w.value.data()}, {dx}}));
    p.operation = Operation::conv_backward_weight;
    do_backward(kernels_->layer(p, {{product.gradient.data(), x.data()}, {w.gradient.data()}}));

    Problem norm{.operation = Operation::batchnorm_forward,
                 .rows = problem_.batch * out_side * out_side,
                 .channels = out,
                 .relu = relu,
                 .residual = residual != nullptr,
                 .batch = problem_.batch};
    float* const added = residual != nullptr ? residual->value.data() : nullptr;
    do_forward(kernels_->layer(norm, {{product.value.data(), gamma.value.data(), beta.value.data(), added},
                                      {y.value.data(), mean.data(), inv_std.data()}}));
    norm.operation = Operation::batchnorm_backward;
    do_backward(kernels_->layer(
        norm, {{y.gradient.data(), product.value.data(), y.value.data(), gamma.value.data(), mean.data(),
                inv_std.data()},
               {product.gradient.data(), gamma.gradient.data(), beta.gradient.data(), dresidual}}));
    return y;
  }

  /// The gradient of x comes from the convolutions and from the shortcut, and is their sum.
  Map basic_block(const std::string& name, const Map& x, int64_t out, int64_t stride) {
    const int64_t in = x.channels, n = x.value.size();
    const bool projects = stride != 1 || in != out;
    // Joined last: entered first.
    const Tensor from_shortcut = buffer(x.value.shape());
    do_backward(kernels_->add(x.gradient.data(), from_shortcut.data(), n));
    Map shortcut = x;
    shortcut.gradient = from_shortcut;
    if (projects) {
      shortcut = conv_bn(name + ".downsample.0", name + ".downsample.1", x.value, x.side, in, out, 1, stride,
                         from_shortcut.data(), nullptr, nullptr, false);
    }
    const Map middle = conv_bn(name + ".conv1", name + ".bn1", x.value, x.side, in, out, 3, stride,
                               x.gradient.data(), nullptr, nullptr, true);
    return conv_bn(name + ".conv2", name + ".bn2", middle.value, middle.side, out, out, 3, 1,
                   middle.gradient.data(), &shortcut, shortcut.gradient.data(), true);
  }

  Map stem_pool(const Map& x) {
    const Pool2dShape shape{.batch = problem_.batch,
                            .in_height = x.side,
                            .in_width = x.side,
                            .channels = x.channels,
                            .kernel = 3,
                            .stride = 2,
                            .padding = 1};
    const Map y = map(shape.out_height(), x.channels);
    const Tensor index = kept_.emplace_back(Tensor::empty(y.value.shape(), kDevice, DType::i32));
    auto [forward, backward] = kernels_->max_pooling(shape, y.value.data(), index.data_i32(), x.value.data(),
                                                     x.gradient.data(), y.gradient.data());
    do_forward(std::move(forward));
    do_backward(std::move(backward));
    return y;
  }

  void head(const Map& x) {
    const int64_t batch = problem_.batch, features = x.channels;
    const Tensor pooled = buffer({batch, features}), dpooled = buffer({batch, features});
    auto [forward, backward] = kernels_->average_pooling(batch, x.side, features, pooled.data(),
                                                         x.value.data(), x.gradient.data(), dpooled.data());
    do_forward(std::move(forward));
    do_backward(std::move(backward));

    const Parameter &w = parameters_.at("fc.weight"), &b = parameters_.at("fc.bias");
    const Tensor logits = buffer({batch, kStepClasses}), dlogits = buffer({batch, kStepClasses});
    const Tensor biases = buffer({batch, kStepClasses}), probabilities = buffer({batch, kStepClasses});
    const Tensor one = Tensor::full({1}, 1, kDevice);
    kept_.push_back(one);
    labels_ = step_labels(problem_);
    loss_ = buffer({1});
    do_forward(kernels_->layer({.m = batch, .n = kStepClasses, .k = features, .transpose_b = Transpose::yes},
                               {{pooled.data(), w.value.data()}, {logits.data()}}));
    do_forward([=, this] {
      cuda::broadcast_rows(biases.data(), b.value.data(), batch, kStepClasses);
      cuda::add(logits.data(), logits.data(), biases.data(), batch * kStepClasses);
      cuda::cross_entropy_forward(loss_.data(), probabilities.data(), logits.data(), labels_.data_i32(),
                                  nullptr, 0, batch, kStepClasses);
    });
    do_backward(kernels_->layer({.m = batch, .n = features, .k = kStepClasses},
                                {{dlogits.data(), w.value.data()}, {dpooled.data()}}));
    do_backward(kernels_->layer({.m = kStepClasses, .n = features, .k = batch, .transpose_a = Transpose::yes},
                                {{dlogits.data(), pooled.data()}, {w.gradient.data()}}));
    do_backward([=, this] {
      cuda::cross_entropy_backward(dlogits.data(), one.data(), probabilities.data(), labels_.data_i32(),
                                   nullptr, 0, batch, kStepClasses);
      cuda::sum_rows(b.gradient.data(), dlogits.data(), batch, kStepClasses, Accumulate::no);
    });
  }

  void build() {
    images_ = step_images(problem_);
    int64_t channels = problem_.width;
    const Map stem = conv_bn("conv1", "bn1", images_, problem_.image_size, 3, channels, 7, 2, nullptr,
                             nullptr, nullptr, true);
    Map x = stem_pool(stem);
    for (int layer = 1; layer <= 4; ++layer, channels *= 2) {
      for (int block = 0; block < 2; ++block) {
        const std::string name = "layer" + std::to_string(layer) + "." + std::to_string(block);
        x = basic_block(name, x, channels, layer > 1 && block == 0 ? 2 : 1);
      }
    }
    head(x);
  }

  StepProblem problem_;
  std::unique_ptr<StepKernels> kernels_;
  std::unique_ptr<models::Network> network_;
  std::map<std::string, Parameter> parameters_;
  std::vector<AdamTensor<float>> adam_;  // of all parameters
  std::vector<Tensor> kept_;
  Tensor images_, labels_, loss_;
  std::vector<Run> forward_, backward_;
  int64_t steps_ = 0;
};

}  // namespace

std::unique_ptr<models::Network> step_network(const StepProblem& problem) {
  auto network = models::make_network("resnet18", kStepClasses, problem.image_size, problem.width, kDevice);
  network->initialize({1, 2});
  return network;
}

Tensor step_images(const StepProblem& problem) {
  const Tensor x = Tensor::empty({problem.batch, problem.image_size, problem.image_size, 3}, kDevice);
  cuda::random_normal(x.data(), 0, 1, {3, 4}, x.size());
  return x;
}

Tensor step_labels(const StepProblem& problem) {
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < problem.batch; ++i) labels.push_back(int32_t(i % kStepClasses));
  return Tensor::from(labels, {problem.batch}, kDevice);
}

double StepProblem::flops() const {
  // Each convolution of resnet18_problems, as often as the network has it.
  double forward = 0, stem = 0;
  const auto add = [&](int64_t side, int64_t in, int64_t out, int64_t kernel, int64_t stride, int count) {
    const int64_t out_side = (side + 2 * (kernel / 2) - kernel) / stride + 1;
    const double products = 2.0 * double(batch * out_side * out_side * out * kernel * kernel * in) * count;
    forward += products;
    if (in == 3) stem = products;
    return out_side;
  };
  int64_t side = add(image_size, 3, width, 7, 2, 1);
  side = (side + 2 - 3) / 2 + 1;
  int64_t channels = width;
  add(side, channels, channels, 3, 1, 4);
  for (int layer = 2; layer <= 4; ++layer) {
    add(side, channels, 2 * channels, 1, 2, 1);
    side = add(side, channels, 2 * channels, 3, 2, 1);
    channels *= 2;
    add(side, channels, channels, 3, 1, 3);
  }
  return 3 * forward - stem;
}

PreparedStep listed_step(const StepProblem& problem, std::unique_ptr<StepKernels> kernels) {
  const auto list = std::make_shared<List>(problem, std::move(kernels));
  return {.run = [list] { list->run(); },
          .results = [list] { return list->results(); },
          .notes = "loss, bias and Adam by Signet's kernels"};
}

}  // namespace signet::bench
