#include "nn/precision.h"

#include <atomic>

#include "nn/check.h"

namespace signet::nn {
namespace {
std::atomic<DType> type_in_use{DType::f32};
}

void set_activation_type(DType type) {
  require(type == DType::f32 || type == DType::bf16, "set_activation_type", "activations cannot be {}",
          name_of(type));
  type_in_use = type;
}

DType activation_type() {
  return type_in_use;
}

}  // namespace signet::nn
