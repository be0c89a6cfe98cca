#include <omp.h>

#include <cmath>
#include <dnnl.hpp>
#include <memory>
#include <unordered_map>

#include "bench/cpu/vendors.h"

namespace signet::bench::onednn {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Dims = memory::dims;

const dnnl::engine& engine() {
  static const dnnl::engine made(dnnl::engine::kind::cpu, 0);
  return made;
}

dnnl::stream& stream() {
  static dnnl::stream made(engine());
  return made;
}

memory::desc described(const Dims& dims, Tag tag) {
  return {dims, memory::data_type::f32, tag};
}

memory wrapped(const Dims& dims, Tag tag, float* data) {
  return {described(dims, tag), engine(), data};
}

/// The same elements in another layout; the memory itself if it is laid out so already.
memory packed(memory from, const memory::desc& layout) {
  if (from.get_desc() == layout) return from;
  memory to(layout, engine());
  dnnl::reorder(from, to).execute(stream(), from, to);
  stream().wait();
  return to;
}

using Arguments = std::unordered_map<int, memory>;

/// One primitive with its arguments.
struct Call {
  dnnl::primitive primitive;
  Arguments arguments;
};

std::function<void()> in_sequence(std::vector<Call> calls, std::function<void()> before = {},
                                  std::function<void()> after = {}) {
  return [calls = std::move(calls), before = std::move(before), after = std::move(after)] {
    if (before) before();
    for (const Call& call : calls) call.primitive.execute(stream(), call.arguments);
    stream().wait();
    if (after) after();
  };
}

struct Convolution {
  Dims x, w, y, strides, dilates, padding;
  explicit Convolution(const Conv2dShape& s)
      : x{s.batch, s.in_channels, s.in_height, s.in_width},
        w{s.out_channels, s.in_channels, s.kernel_height, s.kernel_width},
        y{s.batch, s.out_channels, s.out_height(), s.out_width()},
        strides{s.stride, s.stride},
        dilates{s.dilation - 1, s.dilation - 1},  // oneDNN counts the pixels between two taps
        padding{s.padding, s.padding} {}
};

dnnl::convolution_forward::primitive_desc forward_description(const Convolution& c, bool fused,
                                                              bool training) {
  const auto kind = training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  const auto algorithm = dnnl::algorithm::convolution_auto;
  const auto x = described(c.x, Tag::nhwc), w = described(c.w, Tag::any), y = described(c.y, Tag::nhwc);
  if (!fused) return {{kind, algorithm, x, w, y, c.strides, c.dilates, c.padding, c.padding}, engine()};
  dnnl::post_ops after;  // y = relu(residual + convolution); the residual stands in y before
  after.append_sum(1);
  after.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(after);
  return {{kind, algorithm, x, w, described({c.y[1]}, Tag::x), y, c.strides, c.dilates, c.padding, c.padding},
          attributes,
          engine()};
}

Prepared prepare_forward(const Problem& p, const Buffers& b, bool fused) {
  const Convolution c(p.conv);
  const auto description = forward_description(c, fused, !fused);
  const memory y = wrapped(c.y, Tag::nhwc, b.out[0]);
  Arguments arguments{
      {DNNL_ARG_SRC, wrapped(c.x, Tag::nhwc, b.in[0])},
      {DNNL_ARG_WEIGHTS, packed(wrapped(c.w, Tag::ohwi, b.in[1]), description.weights_desc())},
      {DNNL_ARG_DST, y}};
  if (!fused) return {.run = in_sequence({{dnnl::convolution_forward(description), arguments}})};
  arguments.insert({DNNL_ARG_BIAS, wrapped({c.y[1]}, Tag::x, b.in[2])});
  memory residual = wrapped(c.y, Tag::nhwc, b.in[3]);
  // The sum's operand is overwritten, so it is copied to y first; that counts.
  const Call copy{dnnl::reorder(residual, y), {{DNNL_ARG_FROM, residual}, {DNNL_ARG_TO, y}}};
  return {.run = in_sequence({copy, {dnnl::convolution_forward(description), arguments}}),
          .notes = ", residual copied to y within the time"};
}

Prepared prepare_backward_data(const Problem& p, const Buffers& b) {
  const Convolution c(p.conv);
  const dnnl::convolution_backward_data::primitive_desc description(
      {dnnl::algorithm::convolution_direct, described(c.x, Tag::nhwc), described(c.w, Tag::any),
       described(c.y, Tag::nhwc), c.strides, c.dilates, c.padding, c.padding},
      engine(), forward_description(c, false, true));
  return {.run = in_sequence(
              {{dnnl::convolution_backward_data(description),
                {{DNNL_ARG_DIFF_DST, wrapped(c.y, Tag::nhwc, b.in[0])},
                 {DNNL_ARG_WEIGHTS, packed(wrapped(c.w, Tag::ohwi, b.in[1]), description.weights_desc())},
                 {DNNL_ARG_DIFF_SRC, wrapped(c.x, Tag::nhwc, b.out[0])}}}})};
}

Prepared prepare_backward_weight(const Problem& p, const Buffers& b) {
  const Convolution c(p.conv);
  const dnnl::convolution_backward_weights::primitive_desc description(
      {dnnl::algorithm::convolution_direct, described(c.x, Tag::nhwc), described(c.w, Tag::any),
       described(c.y, Tag::nhwc), c.strides, c.dilates, c.padding, c.padding},
      engine(), forward_description(c, false, true));
  memory dw = wrapped(c.w, Tag::ohwi, b.out[0]);
  const bool turns = description.diff_weights_desc() != dw.get_desc();
  memory own = turns ? memory(description.diff_weights_desc(), engine()) : dw;
  std::vector<Call> calls{{dnnl::convolution_backward_weights(description),
                           {{DNNL_ARG_DIFF_DST, wrapped(c.y, Tag::nhwc, b.in[0])},
                            {DNNL_ARG_SRC, wrapped(c.x, Tag::nhwc, b.in[1])},
                            {DNNL_ARG_DIFF_WEIGHTS, own}}}};
  if (turns) calls.push_back({dnnl::reorder(own, dw), {{DNNL_ARG_FROM, own}, {DNNL_ARG_TO, dw}}});
  return {.run = in_sequence(std::move(calls)), .notes = turns ? ", dw brought to OHWI within the time" : ""};
}

Prepared prepare_gemm(const Problem& p, const Buffers& b) {
  if (p.transpose_a == Transpose::yes || p.transpose_b == Transpose::yes)
    return {.refusal = "Products of transposed matrices are not compared with oneDNN."};
  const Dims a{p.m, p.k}, second{p.k, p.n}, c{p.m, p.n};
  const dnnl::matmul::primitive_desc description(
      {described(a, Tag::ab), described(second, Tag::any), described(c, Tag::ab)}, engine());
  return {.run = in_sequence(
              {{dnnl::matmul(description),
                {{DNNL_ARG_SRC, wrapped(a, Tag::ab, b.in[0])},
                 {DNNL_ARG_WEIGHTS, packed(wrapped(second, Tag::ab, b.in[1]), description.weights_desc())},
                 {DNNL_ARG_DST, wrapped(c, Tag::ab, b.out[0])}}}})};
}

const auto kScaleAndShift = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;

/// rows as pixels of one image a batch entry.
Dims batchnorm_dims(const Problem& p) {
  return {p.batch, p.channels, p.rows / p.batch, 1};
}

dnnl::batch_normalization_forward::primitive_desc batchnorm_description(const Problem& p) {
  return {{dnnl::prop_kind::forward_training, described(batchnorm_dims(p), Tag::nhwc), float(kBatchnormEps),
           kScaleAndShift},
          engine()};
}

Prepared prepare_batchnorm_forward(const Problem& p, const Buffers& b) {
  const Dims dims = batchnorm_dims(p), channels{p.channels};
  const memory y = wrapped(dims, Tag::nhwc, b.out[0]);
  std::vector<Call> calls{{dnnl::batch_normalization_forward(batchnorm_description(p)),
                           {{DNNL_ARG_SRC, wrapped(dims, Tag::nhwc, b.in[0])},
                            {DNNL_ARG_SCALE, wrapped(channels, Tag::x, b.in[1])},
                            {DNNL_ARG_SHIFT, wrapped(channels, Tag::x, b.in[2])},
                            {DNNL_ARG_DST, y},
                            {DNNL_ARG_MEAN, wrapped(channels, Tag::x, b.out[1])},
                            {DNNL_ARG_VARIANCE, wrapped(channels, Tag::x, b.out[2])}}}};
  const auto layout = described(dims, Tag::nhwc);
  if (p.residual) {
    calls.push_back(
        {dnnl::binary({{dnnl::algorithm::binary_add, layout, layout, layout}, engine()}),
         {{DNNL_ARG_SRC_0, y}, {DNNL_ARG_SRC_1, wrapped(dims, Tag::nhwc, b.in[3])}, {DNNL_ARG_DST, y}}});
  }
  if (p.relu) {
    calls.push_back(
        {dnnl::eltwise_forward(
             {{dnnl::prop_kind::forward_training, dnnl::algorithm::eltwise_relu, layout, 0, 0}, engine()}),
         {{DNNL_ARG_SRC, y}, {DNNL_ARG_DST, y}}});
  }
  const auto to_inv_std = [b, n = p.channels] {
    for (int64_t c = 0; c < n; ++c) b.out[2][c] = float(1 / std::sqrt(double(b.out[2][c]) + kBatchnormEps));
  };
  return {.run = in_sequence(std::move(calls), {}, to_inv_std),
          .notes = p.relu ? ", residual and ReLU as primitives of their own" : ""};
}

Prepared prepare_batchnorm_backward(const Problem& p, const Buffers& b) {
  const Dims dims = batchnorm_dims(p), channels{p.channels};
  const auto layout = described(dims, Tag::nhwc);
  std::vector<Call> calls;
  memory dy = wrapped(dims, Tag::nhwc, b.in[0]);
  if (p.relu) {
    const auto algorithm = dnnl::algorithm::eltwise_relu_use_dst_for_bwd;
    const dnnl::eltwise_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, algorithm, layout, 0, 0}, engine());
    const memory behind = p.residual ? wrapped(dims, Tag::nhwc, b.out[3]) : memory(layout, engine());
    calls.push_back({dnnl::eltwise_backward({{algorithm, layout, layout, 0, 0}, engine(), forward}),
                     {{DNNL_ARG_DST, wrapped(dims, Tag::nhwc, b.in[2])},
                      {DNNL_ARG_DIFF_DST, dy},
                      {DNNL_ARG_DIFF_SRC, behind}}});
    dy = behind;
  }
  const memory shift(described(channels, Tag::x), engine());  // asked for, though no gradient depends on it
  const auto variance = std::make_shared<std::vector<float>>(size_t(p.channels));
  calls.push_back({dnnl::batch_normalization_backward(
                       {{dnnl::prop_kind::backward, layout, layout, float(kBatchnormEps), kScaleAndShift},
                        engine(),
                        batchnorm_description(p)}),
                   {{DNNL_ARG_SRC, wrapped(dims, Tag::nhwc, b.in[1])},
                    {DNNL_ARG_DIFF_DST, dy},
                    {DNNL_ARG_SCALE, wrapped(channels, Tag::x, b.in[3])},
                    {DNNL_ARG_SHIFT, shift},
                    {DNNL_ARG_MEAN, wrapped(channels, Tag::x, b.in[4])},
                    {DNNL_ARG_VARIANCE, wrapped(channels, Tag::x, variance->data())},
                    {DNNL_ARG_DIFF_SRC, wrapped(dims, Tag::nhwc, b.out[0])},
                    {DNNL_ARG_DIFF_SCALE, wrapped(channels, Tag::x, b.out[1])},
                    {DNNL_ARG_DIFF_SHIFT, wrapped(channels, Tag::x, b.out[2])}}});
  const auto from_inv_std = [b, variance] {
    for (size_t c = 0; c < variance->size(); ++c)
      (*variance)[c] = float(1 / (double(b.in[5][c]) * double(b.in[5][c])) - kBatchnormEps);
  };
  return {.run = in_sequence(std::move(calls), from_inv_std),
          .notes = p.relu ? ", ReLU as a primitive of its own" : ""};
}

Prepared prepare_any(const Problem& p, const Buffers& b) {
  switch (p.operation) {
    case Operation::gemm:
      return prepare_gemm(p, b);
    case Operation::conv_forward:
      return prepare_forward(p, b, false);
    case Operation::conv_inference:
      return prepare_forward(p, b, true);
    case Operation::conv_backward_data:
      return prepare_backward_data(p, b);
    case Operation::conv_backward_weight:
      return prepare_backward_weight(p, b);
    case Operation::batchnorm_forward:
      return prepare_batchnorm_forward(p, b);
    case Operation::batchnorm_backward:
      return prepare_batchnorm_backward(p, b);
  }
  return {.refusal = "There is no such operation."};
}

}  // namespace

Prepared prepare(const Problem& problem, const Buffers& buffers) {
  try {
    Prepared prepared = prepare_any(problem, buffers);
    const bool weights = problem.operation != Operation::conv_backward_weight && problem.flops() > 0;
    prepared.notes = (problem.operation == Operation::gemm ? "row-major" : "NHWC") +
                     std::string(weights ? ", weights packed beforehand" : "") + prepared.notes;
    return prepared;
  } catch (const dnnl::error& error) {
    return {.refusal = error.what()};
  }
}

void set_threads(int count) {
  omp_set_num_threads(count);
}

std::string version() {
  const dnnl::version_t* v = dnnl::version();
  return "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." +
         std::to_string(v->patch);
}

}  // namespace signet::bench::onednn
