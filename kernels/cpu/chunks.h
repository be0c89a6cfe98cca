#pragma once
// Cutting work into chunks. The cut depends on the problem alone, never on the number of threads.

#include <algorithm>
#include <cstdint>

#include "kernels/parallel.h"

namespace signet::cpu {

/// Elements in a chunk of a memory-bound loop: large against the cost of handing it out, small against L2.
constexpr int64_t kElementGrain = 1 << 15;

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

constexpr int64_t round_up(int64_t a, int64_t b) {
  return ceil_div(a, b) * b;
}

/// Calls body(begin, end, chunk) over [0, n) in pieces of `grain`.
template <class Body>
void parallel_ranges(int64_t n, int64_t grain, Body&& body) {
  parallel_for(ceil_div(n, grain),
               [&](int64_t chunk) { body(chunk * grain, std::min(n, (chunk + 1) * grain), chunk); });
}

}  // namespace signet::cpu
