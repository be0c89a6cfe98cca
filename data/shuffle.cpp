#include "data/shuffle.h"

#include <utility>

#include "kernels/philox.h"
#include "tensor/hash.h"

namespace signet::data {

std::vector<int> shuffled(std::vector<int> indices, uint64_t seed, uint64_t purpose, int64_t epoch) {
  const PhiloxKey key = philox_derive({seed, fnv1a("shuffle")}, purpose, uint64_t(epoch));
  for (size_t left = indices.size(); left > 1; --left) {
    // 32 bits scaled to [0, left): the bias is below left / 2^32.
    const uint64_t draw = philox(key, left)[0];
    std::swap(indices[left - 1], indices[size_t(draw * left >> 32)]);
  }
  return indices;
}

}  // namespace signet::data
