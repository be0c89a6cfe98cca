// The table of convolution algorithms as a file.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "study/layer_bench.h"
#include "tensor/error.h"

namespace signet::study {
namespace {

using nlohmann::json;

constexpr cpu::ConvPass kPasses[] = {cpu::ConvPass::forward, cpu::ConvPass::backward_data,
                                     cpu::ConvPass::backward_weight};
constexpr cpu::ConvAlgorithm kAlgorithms[] = {cpu::ConvAlgorithm::implicit_gemm, cpu::ConvAlgorithm::winograd,
                                              cpu::ConvAlgorithm::image_strips};

/// The names of a shape's numbers in the table, but for the batch.
struct ShapeField {
  const char* name;
  int64_t Conv2dShape::*value;
};
constexpr ShapeField kShapeFields[] = {{"in_height", &Conv2dShape::in_height},
                                       {"in_width", &Conv2dShape::in_width},
                                       {"in_channels", &Conv2dShape::in_channels},
                                       {"out_channels", &Conv2dShape::out_channels},
                                       {"kernel_height", &Conv2dShape::kernel_height},
                                       {"kernel_width", &Conv2dShape::kernel_width},
                                       {"stride", &Conv2dShape::stride},
                                       {"padding", &Conv2dShape::padding},
                                       {"dilation", &Conv2dShape::dilation}};

template <class Value, size_t N>
Value named(const Value (&values)[N], const std::string& name) {
  for (const Value value : values) {
    if (cpu::name_of(value) == name) return value;
  }
  throw std::invalid_argument("'" + name + "' is unknown");
}

}  // namespace

std::string conv_choices_json(const std::vector<cpu::ConvChoice>& choices) {
  json entries = json::array();
  for (const auto& choice : choices) {
    json entry{{"pass", cpu::name_of(choice.pass)}, {"algorithm", cpu::name_of(choice.algorithm)}};
    for (const auto& field : kShapeFields) entry[field.name] = choice.shape.*field.value;
    entries.push_back(std::move(entry));
  }
  return json{{"conv_algorithms", std::move(entries)}}.dump(1) + "\n";
}

std::vector<cpu::ConvChoice> parse_conv_choices(const std::string& text, const std::string& source) {
  std::vector<cpu::ConvChoice> choices;
  try {
    const json table = json::parse(text);
    for (const json& entry : table.at("conv_algorithms")) {
      cpu::ConvChoice choice{named(kPasses, entry.at("pass")), {}, named(kAlgorithms, entry.at("algorithm"))};
      for (const auto& field : kShapeFields) {
        choice.shape.*field.value = entry.at(field.name);
        if (choice.shape.*field.value < 0) throw std::invalid_argument("a size is negative");
      }
      const auto able = choice.shape.stride > 0 && choice.shape.dilation > 0
                            ? cpu::conv_algorithms(choice.pass, choice.shape)
                            : std::vector<cpu::ConvAlgorithm>{};
      if (std::find(able.begin(), able.end(), choice.algorithm) == able.end()) {
        throw std::invalid_argument(
            fmt::format("{} does not compute one of its shapes", cpu::name_of(choice.algorithm)));
      }
      choices.push_back(choice);
    }
  } catch (const std::exception& error) {
    fail("{}: is no table of algorithms ({}); make one with signet bench tune --output FILE", source,
         error.what());
  }
  return choices;
}

}  // namespace signet::study
