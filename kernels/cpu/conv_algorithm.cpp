#include "kernels/cpu/conv_algorithm.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/cpu/rgb_conv.h"
#include "kernels/cpu/winograd.h"

namespace signet::cpu {
namespace {

std::vector<ConvChoice>& table() {
  static std::vector<ConvChoice> choices;
  return choices;
}

bool same_images(const Conv2dShape& a, const Conv2dShape& b) {
  return a.in_height == b.in_height && a.in_width == b.in_width && a.in_channels == b.in_channels &&
         a.out_channels == b.out_channels && a.kernel_height == b.kernel_height &&
         a.kernel_width == b.kernel_width && a.stride == b.stride && a.padding == b.padding &&
         a.dilation == b.dilation;
}

bool applies(ConvAlgorithm algorithm, ConvPass pass, const Conv2dShape& s) {
  switch (algorithm) {
    case ConvAlgorithm::winograd:
      return pass == ConvPass::backward_weight ? winograd_weight_applies(s)
             : pass == ConvPass::backward_data
                 ? winograd_applies(s, s.out_channels, s.in_channels, 2 - s.padding)
                 : winograd_applies(s, s.in_channels, s.out_channels, s.padding);
    case ConvAlgorithm::image_strips:
      return pass != ConvPass::backward_data && rgb_applies(s);
    case ConvAlgorithm::implicit_gemm:
      break;
  }
  return true;
}

/// Whether Winograd's tiles do not stick out of the output by too much, and channels outweigh the transforms.
bool winograd_saves(ConvPass pass, const Conv2dShape& s) {
  constexpr int64_t kSide = 4, kFewestChannels = 32;
  const auto covered = [](int64_t side) { return (side + kSide - 1) / kSide * kSide; };
  const int64_t height = s.out_height(), width = s.out_width();
  if (2 * covered(height) * covered(width) > 3 * height * width) return false;
  return pass == ConvPass::backward_weight ||
         (pass == ConvPass::backward_data ? s.out_channels : s.in_channels) >= kFewestChannels;
}

}  // namespace

std::string_view name_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::forward:
      return "forward";
    case ConvPass::backward_data:
      return "backward_data";
    case ConvPass::backward_weight:
      break;
  }
  return "backward_weight";
}

std::string_view name_of(ConvAlgorithm algorithm) {
  switch (algorithm) {
    case ConvAlgorithm::implicit_gemm:
      return "implicit_gemm";
    case ConvAlgorithm::winograd:
      return "winograd";
    case ConvAlgorithm::image_strips:
      break;
  }
  return "image_strips";
}

std::vector<ConvAlgorithm> conv_algorithms(ConvPass pass, const Conv2dShape& shape) {
  std::vector<ConvAlgorithm> result;
  for (const auto algorithm :
       {ConvAlgorithm::implicit_gemm, ConvAlgorithm::winograd, ConvAlgorithm::image_strips}) {
    if (applies(algorithm, pass, shape)) result.push_back(algorithm);
  }
  return result;
}

ConvAlgorithm conv_algorithm(ConvPass pass, const Conv2dShape& shape) {
  for (const ConvChoice& choice : table()) {
    if (choice.pass == pass && same_images(choice.shape, shape)) return choice.algorithm;
  }
  if (applies(ConvAlgorithm::image_strips, pass, shape)) return ConvAlgorithm::image_strips;
  if (applies(ConvAlgorithm::winograd, pass, shape) && winograd_saves(pass, shape)) {
    return ConvAlgorithm::winograd;
  }
  return ConvAlgorithm::implicit_gemm;
}

void set_conv_choices(std::vector<ConvChoice> choices) {
  for (const ConvChoice& choice : choices) {
    if (!applies(choice.algorithm, choice.pass, choice.shape)) {
      throw std::invalid_argument("[set_conv_choices] " + std::string(name_of(choice.algorithm)) +
                                  " does not compute " + std::string(name_of(choice.pass)) +
                                  " of one of the shapes");
    }
  }
  table() = std::move(choices);
}

}  // namespace signet::cpu
