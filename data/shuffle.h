#pragma once
// Random orders that depend on nothing but their key.

#include <cstdint>
#include <vector>

namespace signet::data {

/// The indices in random order, by Fisher and Yates with Philox draws of (seed, purpose, epoch); purpose is
/// e.g. the fold.
std::vector<int> shuffled(std::vector<int> indices, uint64_t seed, uint64_t purpose, int64_t epoch);

}  // namespace signet::data
