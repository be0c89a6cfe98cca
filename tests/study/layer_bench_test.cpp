#include "study/layer_bench.h"

#include <doctest/doctest.h>

#include <numeric>

#include "kernels/cpu/bf16_products.h"
#include "kernels/cpu/matrix_unit.h"
#include "kernels/cpu/peak.h"
#include "tensor/error.h"
#include "tests/study/xml.h"

using namespace signet;
using namespace signet::study;

TEST_CASE("the layers of ResNet18 are its twenty convolutions, with the sizes that its images have there") {
  const auto network = models::make_network("resnet18", 10);
  const auto layers = conv_layers(*network, 4);
  int count = 0;
  int64_t multiplications = 0;
  for (const auto& layer : layers) {
    const auto& s = layer.shape;
    CHECK(s.batch == 4);
    count += layer.count;
    multiplications += layer.count * s.out_size() / s.batch * s.weight_size() / s.out_channels;
  }
  CHECK(count == 20);
  // 1.814 G multiplications an image (torchvision's figure for the network), less the head's 512 x 1000.
  CHECK(multiplications == 1'813'561'344);
  CHECK(layers.front().name == "conv1");
  CHECK(layers.front().shape.out_height() == 112);
  CHECK(layers.back().name == "layer4.0.downsample.0");
  CHECK(layers.back().shape.in_height == 14);
  CHECK(layers.back().shape.out_height() == 7);
  CHECK_THROWS_WITH_AS(conv_layers(*models::make_network("cnn", 10), 1), doctest::Contains("resnet18"),
                       Error);
}

TEST_CASE("a table of algorithms is written and read back, and refused where it is none") {
  Conv2dShape s{.batch = 1, .in_height = 8, .in_width = 12, .in_channels = 32, .out_channels = 64};
  s.kernel_height = s.kernel_width = 3;
  s.padding = 1;
  const std::vector<cpu::ConvChoice> choices{
      {cpu::ConvPass::forward, s, cpu::ConvAlgorithm::implicit_gemm},
      {cpu::ConvPass::backward_weight, s, cpu::ConvAlgorithm::winograd}};
  const std::string text = conv_choices_json(choices);
  const auto read = parse_conv_choices(text, "table.json");
  REQUIRE(read.size() == 2);
  CHECK(read[0].pass == cpu::ConvPass::forward);
  CHECK(read[0].algorithm == cpu::ConvAlgorithm::implicit_gemm);
  CHECK(read[1].algorithm == cpu::ConvAlgorithm::winograd);
  CHECK(read[1].shape.in_width == 12);
  CHECK(read[1].shape.padding == 1);

  s.stride = 2;
  const auto impossible = conv_choices_json({{cpu::ConvPass::forward, s, cpu::ConvAlgorithm::winograd}});
  for (const std::string& bad : {std::string("{}"), std::string("[1"), impossible, text.substr(0, 40),
                                 std::string(R"({"conv_algorithms": [{"pass": "sideways"}]})")}) {
    CHECK_THROWS_WITH_AS(parse_conv_choices(bad, "table.json"), doctest::Contains("table.json"), Error);
  }
}

TEST_CASE("the peak counts two operations a multiply-add, and those of both halves of a pair") {
  const int64_t floats = cpu::multiply_and_add(1000);
  CHECK(floats > 0);
  CHECK(floats % 2000 == 0);
  CHECK(cpu::multiply_and_add(3000) == 3 * floats);
  // What a matrix unit does is counted in its own test.
  const auto* unit = cpu::matrix_unit();
  cpu::use_matrix_unit(nullptr);
  CHECK(cpu::multiply_and_add_bf16(1000) == (cpu::has_bf16_products() ? 2 : 1) * floats);
  cpu::use_matrix_unit(unit);
}

TEST_CASE("what is chosen is what is timed, and the picture names every layer") {
  const auto network = models::make_network("resnet18", 10, 32, 32);
  const auto layers = conv_layers(*network, 1);
  std::vector<LayerTime> times;
  for (const auto& layer : layers) times.push_back(time_layer(layer, cpu::ConvPass::forward, DType::f32, 1));
  const auto tuned = time_algorithms(layers[1], cpu::ConvPass::forward, DType::f32, 1);
  REQUIRE(tuned.size() == 2);
  CHECK(tuned[0].seconds <= tuned[1].seconds);
  CHECK(tuned[0].algorithm != tuned[1].algorithm);
  CHECK(cpu::conv_algorithm(cpu::ConvPass::forward, layers[1].shape) == cpu::ConvAlgorithm::winograd);
  // Half the bytes of images, and the same operations.
  const LayerTime narrow = time_layer(layers[1], cpu::ConvPass::backward_weight, DType::bf16, 1);
  CHECK(narrow.seconds > 0);
  CHECK(narrow.intensity() > times[1].intensity());
  CHECK(narrow.intensity() < 2 * times[1].intensity());
  const std::string svg = roofline_svg(times, {100, 10}, "Convolutions");
  CHECK(xml_fault(svg) == "");
  for (const auto& layer : layers) CHECK(svg.find(">" + layer.name + "<") != std::string::npos);
}
