#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/bf16_products.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/bf16_products.h"

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

// The kernels that use the instructions are compiled beside those of AVX-512.
bool target_has_bf16_products() {
#if HWY_TARGET == HWY_AVX3
  return __builtin_cpu_supports("avx512bf16") > 0;
#else
  return false;
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(target_has_bf16_products);

bool has_bf16_products() {
  return HWY_DYNAMIC_DISPATCH(target_has_bf16_products)();
}

}  // namespace signet::cpu
#endif
