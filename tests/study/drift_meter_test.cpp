#include "study/drift_meter.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "models/network.h"

using namespace signet;
using namespace signet::study;

namespace {

std::unique_ptr<models::Network> small_network() {
  auto network = models::make_network("cnn", 3, 8);
  network->initialize({1, 2});
  return network;
}

Tensor tensor_of(models::Network& network, const std::string& name) {
  for (const auto& p : network.parameters()) {
    if (p.name == name) return *p.tensor;
  }
  FAIL("no parameter ", name);
  return {};
}

}  // namespace

TEST_CASE("a meter of frozen stages reports what another meter reports of a network that does not move") {
  const auto network = small_network();
  const int stages = network->stage_count();
  DriftMeter moving(*network, 0, stages);
  const FrozenMeter frozen(*network, stages);
  CHECK(frozen.measure(stages) == moving.measure(stages));
  CHECK(frozen.measure(stages).size() == network->parameters().size());
  CHECK(frozen.measure(1).size() == 2);
  CHECK(frozen.measure(1).front().norm > 0);
}

TEST_CASE("a meter of frozen stages notices one bit that changes, in the stages it is asked for") {
  const auto network = small_network();
  const FrozenMeter meter(*network, network->stage_count());
  Tensor weight = tensor_of(*network, "3.weight");
  float& last = weight.data()[weight.size() - 1];
  const float before = last;
  uint32_t bits = 0;
  std::memcpy(&bits, &before, sizeof bits);
  bits ^= 1;
  std::memcpy(&last, &bits, sizeof bits);
  CHECK_NOTHROW(meter.measure(1));
  CHECK_THROWS_WITH_AS(meter.measure(2), doctest::Contains("3.weight"), std::logic_error);
  last = before;
  CHECK_NOTHROW(meter.measure(2));
}

TEST_CASE("a meter reports how far a tensor has moved, and by how much one step moves it") {
  const auto network = small_network();
  DriftMeter meter(*network, 1, 2);
  Tensor weight = tensor_of(*network, "3.weight");
  weight.data()[0] += 3;
  weight.data()[5] -= 4;
  const auto records = meter.measure(network->stage_count());
  REQUIRE(records.size() == 2);
  CHECK(records[0].tensor == "3.weight");
  CHECK(std::abs(records[0].distance - 5) < 1e-5);  // 3 and 4 were added in float
  CHECK(records[0].norm != records[0].start_norm);
  CHECK(records[1].distance == 0);
}
