#pragma once

#include "kernels/cuda/runtime.h"

namespace signet::test {

/// Lets products choose their tiles again at the end of a test.
struct TileGuard {
  ~TileGuard() {
    if (cuda::device_count() > 0) cuda::set_tile_choice(cuda::TileChoice::automatic);
  }
};

}  // namespace signet::test
