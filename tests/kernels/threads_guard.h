#pragma once

#include "kernels/parallel.h"

namespace signet::test {

/// Puts the number of threads back at the end of a test.
struct ThreadsGuard {
  int before = num_threads();
  ~ThreadsGuard() { set_num_threads(before); }
};

}  // namespace signet::test
