#pragma once
// What a thread remembers of wgmma: products that have been started, and the sums that they will change.

#include <cstdint>
#include <vector>

#include "kernels/simt/faults.h"

namespace signet::simt {

/// A product of 64 rows and `columns` columns by 16 steps, of which the thread has a part.
struct PendingProduct {
  uint64_t a = 0, b = 0;  ///< descriptors
  bool turned_a = false, turned_b = false;
  float* sums = nullptr;
  unsigned columns = 0, group = 0;
  Site site = {};
  const void* caller = nullptr;
};

/// Registers that hold sums. While a product is pending they hold NaN, and what they stand for is here.
struct Sums {
  float* registers = nullptr;
  unsigned pending = 0;  ///< products
  std::vector<float> values = {};
  Site site = {};  ///< of the last product
};

struct Products {
  unsigned groups = 0;   ///< that were committed
  bool ordered = false;  ///< by wgmma.fence: the next product comes after what the thread did with its sums
  std::vector<PendingProduct> pending;
  std::vector<Sums> sums;

  void clear() {
    groups = 0;
    ordered = false;
    pending.clear();
    sums.clear();
  }
};

}  // namespace signet::simt
