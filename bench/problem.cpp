#include "bench/problem.h"

#include <fmt/format.h>

namespace signet::bench {
namespace {

struct NamedConv {
  const char* name;
  int64_t size, in, out, kernel, stride;
};

// Each distinct convolution of ResNet18 once; the 3x3 ones of stride 1 occur three or four times in it.
constexpr NamedConv kResnet18[] = {
    {"stem 7x7/2", 224, 3, 64, 7, 2},     {"layer1 3x3", 56, 64, 64, 3, 1},
    {"layer2 3x3/2", 56, 64, 128, 3, 2},  {"layer2 3x3", 28, 128, 128, 3, 1},
    {"layer2 1x1/2", 56, 64, 128, 1, 2},  {"layer3 3x3/2", 28, 128, 256, 3, 2},
    {"layer3 3x3", 14, 256, 256, 3, 1},   {"layer3 1x1/2", 28, 128, 256, 1, 2},
    {"layer4 3x3/2", 14, 256, 512, 3, 2}, {"layer4 3x3", 7, 512, 512, 3, 1},
    {"layer4 1x1/2", 14, 256, 512, 1, 2},
};

constexpr Operation kConvOperations[] = {Operation::conv_forward, Operation::conv_inference,
                                         Operation::conv_backward_data, Operation::conv_backward_weight};

void add_convolutions(std::vector<Problem>& problems, const NamedConv& conv, int64_t batch) {
  for (const Operation operation : kConvOperations) {
    // Nobody asks for the gradient of the images.
    if (operation == Operation::conv_backward_data && conv.in == 3) continue;
    problems.push_back({.operation = operation,
                        .name = conv.name,
                        .conv = Conv2dShape::square(batch, conv.size, conv.in, conv.out, conv.kernel,
                                                    conv.stride, conv.kernel / 2),
                        .batch = batch});
  }
}

void add_batchnorms(std::vector<Problem>& problems, const std::string& name, int64_t batch, int64_t side,
                    int64_t channels) {
  for (const Operation operation : {Operation::batchnorm_forward, Operation::batchnorm_backward}) {
    for (const auto& [suffix, relu, residual] :
         {std::tuple{"", false, false}, {" ReLU", true, false}, {" residual ReLU", true, true}}) {
      problems.push_back({.operation = operation,
                          .name = name + suffix,
                          .rows = batch * side * side,
                          .channels = channels,
                          .relu = relu,
                          .residual = residual,
                          .batch = batch});
    }
  }
}

void add_gemm(std::vector<Problem>& problems, int64_t m, int64_t n, int64_t k) {
  problems.push_back({.name = fmt::format("{}x{}x{}", m, n, k), .m = m, .n = n, .k = k});
}

bool is_conv(Operation operation) {
  return operation != Operation::gemm && operation != Operation::batchnorm_forward &&
         operation != Operation::batchnorm_backward;
}

}  // namespace

const char* name_of(Operation operation) {
  switch (operation) {
    case Operation::gemm:
      return "gemm";
    case Operation::conv_forward:
      return "conv_forward";
    case Operation::conv_backward_data:
      return "conv_backward_data";
    case Operation::conv_backward_weight:
      return "conv_backward_weight";
    case Operation::conv_inference:
      return "conv_inference";
    case Operation::batchnorm_forward:
      return "batchnorm_forward";
    case Operation::batchnorm_backward:
      return "batchnorm_backward";
  }
  return "";
}

const char* kernel_of(Operation operation) {
  switch (operation) {
    case Operation::gemm:
      return "gemm";
    case Operation::conv_forward:
    case Operation::conv_inference:
      return "conv2d_forward";
    case Operation::conv_backward_data:
      return "conv2d_backward_data";
    case Operation::conv_backward_weight:
      return "conv2d_backward_weight";
    case Operation::batchnorm_forward:
      return "batchnorm_forward_train";
    case Operation::batchnorm_backward:
      return "batchnorm_backward_train";
  }
  return "";
}

const char* name_of(MatrixMath math) {
  switch (math) {
    case MatrixMath::f32:
      return "f32";
    case MatrixMath::tf32:
      return "tf32";
    case MatrixMath::bf16:
      return "bf16";
  }
  return "";
}

std::string Problem::label() const {
  const std::string what = std::string(name_of(operation)) + " / " + name;
  return operation == Operation::gemm ? what : fmt::format("{} / batch {}", what, batch);
}

double Problem::flops() const {
  if (operation == Operation::gemm) return 2.0 * double(m) * double(n) * double(k);
  if (is_conv(operation))
    return 2.0 * double(conv.out_size()) * double(conv.kernel_height * conv.kernel_width * conv.in_channels);
  return 0;  // batchnorm is a matter of bytes
}

double Problem::bytes() const {
  double floats = 0;
  const BufferSizes sizes = buffer_sizes(*this);
  for (const int64_t size : sizes.in) floats += double(size);
  for (const int64_t size : sizes.out) floats += double(size);
  return 4 * floats;
}

double Problem::terms() const {
  const double taps = double(conv.kernel_height * conv.kernel_width);
  switch (operation) {
    case Operation::gemm:
      return double(k);
    case Operation::conv_forward:
    case Operation::conv_inference:
      return taps * double(conv.in_channels);
    case Operation::conv_backward_data:
      return taps * double(conv.out_channels);
    case Operation::conv_backward_weight:
      return double(conv.batch * conv.out_height() * conv.out_width());
    case Operation::batchnorm_forward:
    case Operation::batchnorm_backward:
      return double(rows);
  }
  return 1;
}

BufferSizes buffer_sizes(const Problem& p) {
  const int64_t x = p.conv.in_size(), w = p.conv.weight_size(), y = p.conv.out_size();
  const int64_t all = p.rows * p.channels, c = p.channels, residual = p.residual ? all : 0;
  switch (p.operation) {
    case Operation::gemm:
      return {{p.m * p.k, p.k * p.n}, {p.m * p.n}};
    case Operation::conv_forward:
      return {{x, w}, {y}};
    case Operation::conv_backward_data:
      return {{y, w}, {x}};
    case Operation::conv_backward_weight:
      return {{y, x}, {w}};
    case Operation::conv_inference:
      return {{x, w, p.conv.out_channels, y}, {y}};
    case Operation::batchnorm_forward:
      return {{all, c, c, residual}, {all, c, c}};
    case Operation::batchnorm_backward:
      return {{all, all, p.relu ? all : 0, c, c, c}, {all, c, c, residual}};
  }
  return {};
}

std::vector<Problem> resnet18_problems(const std::vector<int64_t>& batches) {
  std::vector<Problem> problems;
  for (const int64_t size : {512, 1024, 2048, 4096}) add_gemm(problems, size, size, size);
  add_gemm(problems, 100352, 64, 576);  // layer1 at batch 32, as a plain matrix
  add_gemm(problems, 1568, 512, 4608);  // layer4 at batch 32
  for (const int64_t batch : batches) {
    for (const NamedConv& conv : kResnet18) add_convolutions(problems, conv, batch);
    add_batchnorms(problems, "stem 112x112x64", batch, 112, 64);
    add_batchnorms(problems, "layer1 56x56x64", batch, 56, 64);
    add_batchnorms(problems, "layer2 28x28x128", batch, 28, 128);
    add_batchnorms(problems, "layer3 14x14x256", batch, 14, 256);
    add_batchnorms(problems, "layer4 7x7x512", batch, 7, 512);
  }
  return problems;
}

std::vector<Problem> tiny_problems() {
  std::vector<Problem> problems;
  add_gemm(problems, 32, 32, 32);
  add_gemm(problems, 33, 20, 36);
  for (const NamedConv& conv :
       {NamedConv{"stem 7x7/2", 16, 3, 8, 7, 2}, NamedConv{"layer1 3x3", 6, 8, 8, 3, 1},
        NamedConv{"layer2 3x3/2", 6, 8, 16, 3, 2}, NamedConv{"layer2 1x1/2", 6, 8, 16, 1, 2}})
    add_convolutions(problems, conv, 2);
  add_batchnorms(problems, "layer1 5x5x8", 2, 5, 8);
  return problems;
}

}  // namespace signet::bench
