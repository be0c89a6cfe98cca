// Weights written for other programs, as far as that can be seen without them; tests/export asks PyTorch and
// ONNX Runtime.

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "models/fold.h"
#include "models/onnx.h"
#include "models/protobuf.h"
#include "models/pth.h"
#include "models/pth_writer.h"
#include "models/state_dict.h"
#include "models/zip.h"
#include "models/zip_writer.h"
#include "tensor/autograd.h"
#include "tensor/error.h"

namespace signet::models {
namespace {

Array floats(const std::vector<int64_t>& shape, const std::vector<float>& values) {
  Array array{shape, "F32", std::vector<std::byte>(values.size() * sizeof(float))};
  if (!values.empty()) std::memcpy(array.bytes.data(), values.data(), array.bytes.size());
  return array;
}

/// A narrow ResNet18 whose batchnorms are nothing like the identity, in evaluation mode.
std::unique_ptr<Network> unusual_network() {
  auto network = make_network("resnet18", 5, 32, 4);
  network->initialize({7, 0});
  uint64_t state = 1;
  const auto next = [&state] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return float(double(state >> 40) / double(1 << 24));
  };
  for (const auto& list : {network->parameters(), network->buffers()}) {
    for (const auto& t : list) {
      if (t.tensor->shape().rank() != 1) continue;
      std::vector<float> values(size_t(t.tensor->size()));
      for (float& v : values) v = 0.5f + next();
      t.tensor->copy_from(Tensor::from(values, t.tensor->shape()));
    }
  }
  network->evaluate();
  return network;
}

std::vector<float> logits_of(Network& network) {
  const NoGrad no_grad;
  std::vector<float> pixels(2 * 32 * 32 * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = std::sin(float(i) * 0.37f);
  return network.forward(Tensor::from(pixels, {2, 32, 32, 3})).to_vector();
}

TEST_CASE("what is written as .pth comes back whole, metadata included") {
  auto network = unusual_network();
  Archive archive = save_weights(*network);
  archive.metadata["signet"] = "{\"classes\": [\"a\", \"ß\"]}";
  archive.entries.emplace_back("empty", floats({0, 3}, {}));
  const std::string bytes = to_pth(archive);
  CHECK(parse_pth(bytes, "a.pth") == archive);
  CHECK(to_pth(archive) == bytes);

  Archive half;
  for (const auto& [name, array] : archive.entries) half.entries.emplace_back(name, to_bf16(array));
  CHECK(parse_pth(to_pth(half), "half.pth") == half);

  Archive unknown;
  unknown.entries.emplace_back("x", Array{{1}, "F8_E4M3", std::vector<std::byte>(1)});
  CHECK_THROWS_AS(to_pth(unknown), std::invalid_argument);
  Archive torn;
  torn.entries.emplace_back("x", Array{{2}, "F32", std::vector<std::byte>(4)});
  CHECK_THROWS_AS(to_pth(torn), std::invalid_argument);
}

TEST_CASE("a damaged piece of metadata in a .pth is noticed") {
  Archive archive;
  archive.entries.emplace_back("x", floats({1}, {1}));
  archive.metadata["signet"] = "unmistakable";
  std::string bytes = to_pth(archive);
  bytes[bytes.find("unmistakable")] = 'U';
  CHECK_THROWS_WITH_AS(parse_pth(bytes, "a.pth"), doctest::Contains("CRC-32"), Error);
}

TEST_CASE("a zip has its contents at multiples of 64 bytes") {
  const std::string zip = zip_of({{"a/first", "1234567"}, {"a/empty", ""}, {"a/last", "x"}});
  const auto entries = read_zip(zip, "a.zip");
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].name == "a/first");
  CHECK(entries[0].content == "1234567");
  CHECK(entries[1].content.empty());
  for (const auto& entry : entries) {
    CHECK((entry.content.data() - zip.data()) % 64 == 0);
    check_crc32(entry, "a.zip");
  }
}

TEST_CASE("bfloat16 rounds to nearest, ties to even") {
  const float one_and_tie = std::bit_cast<float>(0x3f808000u);  // halfway above an even number
  const float odd_and_tie = std::bit_cast<float>(0x3f818000u);  // halfway above an odd one
  const float just_above = std::bit_cast<float>(0x3f808001u);
  const float largest = std::numeric_limits<float>::max(), infinity = std::numeric_limits<float>::infinity();
  const float quiet = std::bit_cast<float>(0x7f800001u);  // a NaN whose upper half is that of infinity
  const auto back =
      to_f32(to_bf16(floats({7}, {1, one_and_tie, odd_and_tie, just_above, largest, -infinity, quiet})));
  CHECK(back[0] == 1);
  CHECK(back[1] == 1);
  CHECK(back[2] == std::bit_cast<float>(0x3f820000u));
  CHECK(back[3] == std::bit_cast<float>(0x3f810000u));
  CHECK(back[4] == infinity);
  CHECK(back[5] == -infinity);
  CHECK(std::isnan(back[6]));
  const Array counter{{}, "I64", std::vector<std::byte>(8)};
  CHECK(to_bf16(counter) == counter);
}

TEST_CASE("folding batchnorm and unfolding it again leaves what the network computes") {
  auto network = unusual_network();
  const Archive folded = fold_batchnorm(save_weights(*network));
  CHECK(folded.find("bn1.weight") == nullptr);
  CHECK(folded.find("layer2.0.downsample.1.running_var") == nullptr);
  REQUIRE(folded.find("conv1.bias") != nullptr);
  CHECK(folded.find("layer2.0.downsample.0.bias") != nullptr);
  CHECK(folded.entries.size() == 2 * 20 + 2);  // convolutions, and fc

  auto other = make_network("resnet18", 5, 32, 4);
  load_weights(*other, unfold_batchnorm(folded), "folded");
  other->evaluate();
  const auto expected = logits_of(*network), actual = logits_of(*other);
  float scale = 0;
  for (const float v : expected) scale = std::max(scale, std::abs(v));
  // Twenty layers of f32 sums over at most 288 products, weights rounded once more.
  for (size_t i = 0; i < expected.size(); ++i) CHECK(std::abs(actual[i] - expected[i]) <= 1e-5f * scale);

  auto cnn = make_network("cnn", 3, 16);
  const Archive plain = save_weights(*cnn);
  CHECK(fold_batchnorm(plain) == plain);
  CHECK(unfold_batchnorm(plain) == plain);
}

/// The fields of a protobuf message: number to contents, varints as text.
std::multimap<int, std::string> fields_of(const std::string& message) {
  std::multimap<int, std::string> fields;
  size_t at = 0;
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0; at < message.size(); shift += 7) {
      const auto byte = uint8_t(message[at++]);
      value |= uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (at < message.size()) {
    const uint64_t key = varint();
    const uint64_t length = (key & 7) == 2 ? varint() : (key & 7) == 5 ? 4 : 0;
    REQUIRE(at + length <= message.size());
    fields.emplace(int(key >> 3), (key & 7) == 0 ? std::to_string(varint()) : message.substr(at, length));
    at += length;
  }
  return fields;
}

std::map<std::string, int> operators_of(const std::string& graph) {
  std::map<std::string, int> counts;
  const auto fields = fields_of(graph);
  for (auto [node, end] = fields.equal_range(1); node != end; ++node) {
    ++counts[fields_of(node->second).find(4)->second];
  }
  return counts;
}

TEST_CASE("protobuf messages have the bytes of the specification's examples") {
  CHECK(ProtoMessage().integer(1, 150).bytes() == "\x08\x96\x01");
  CHECK(ProtoMessage().text(2, "testing").bytes() == "\x12\x07testing");
  CHECK(ProtoMessage().message(3, ProtoMessage().integer(1, 150)).bytes() == "\x1a\x03\x08\x96\x01");
  CHECK(ProtoMessage().integer(1, -1).bytes() == "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  CHECK(ProtoMessage().real(1, 1.0f).bytes() == std::string("\x0d\0\0\x80\x3f", 5));
}

TEST_CASE("an ONNX file has the layers, names and metadata of its network") {
  auto network = unusual_network();
  const auto model = fields_of(to_onnx(*network, {{"signet", "about"}}, {}));
  CHECK(model.find(1)->second == "8");
  CHECK(fields_of(model.find(8)->second).find(2)->second == "17");
  const auto metadata = fields_of(model.find(14)->second);
  CHECK(metadata.find(1)->second == "signet");
  CHECK(metadata.find(2)->second == "about");
  const auto folded = operators_of(model.find(7)->second);
  CHECK(folded == std::map<std::string, int>{{"Add", 8},
                                             {"Conv", 20},
                                             {"Flatten", 1},
                                             {"Gemm", 1},
                                             {"GlobalAveragePool", 1},
                                             {"MaxPool", 1},
                                             {"Relu", 17}});
  const auto kept = operators_of(fields_of(to_onnx(*network, {}, {false, false})).find(7)->second);
  CHECK(kept.at("BatchNormalization") == 20);
  const auto whole = fields_of(to_onnx(*network, {}, {true, true}));
  CHECK(fields_of(whole.find(8)->second).find(2)->second == "18");
  CHECK(operators_of(whole.find(7)->second).at("Resize") == 1);
}

}  // namespace
}  // namespace signet::models
