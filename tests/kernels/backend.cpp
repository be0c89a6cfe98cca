#include "tests/kernels/backend.h"

#include <hwy/targets.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "kernels/cpu/bf16_products.h"
#include "kernels/cuda/runtime.h"
#include "tests/kernels/emulated_amx.h"

namespace signet::test {
namespace {

void* host_allocate(size_t bytes) {
  return std::malloc(bytes);
}

void host_release(void* pointer) {
  std::free(pointer);
}

void host_copy(void* destination, const void* source, size_t bytes) {
  if (bytes > 0) std::memcpy(destination, source, bytes);
}

template <class real>
Backend<real> host_backend(std::string name, Kernels<real> kernels, void (*activate)() = nullptr) {
  return {.name = std::move(name),
          .kernels = kernels,
          .allocate = host_allocate,
          .release = host_release,
          .upload = host_copy,
          .download = host_copy,
          .activate = activate,
          .on_processor = true};
}

const int64_t kProcessor = hwy::SupportedTargets();
const bool kMultipliesPairs = cpu::has_bf16_products();

// Highway gives a better instruction set a lower bit; `best` and everything below it stay allowed.
template <int64_t best>
void restrict_processor() {
  hwy::GetChosenTarget().Update(kProcessor & ~(best - 1));
  cpu::use_matrix_unit(cpu::detected_matrix_unit());
}

void without_matrix_unit() {
  restrict_processor<1>();
  cpu::use_matrix_unit(nullptr);
}

void with_emulated_unit() {
  restrict_processor<1>();
  cpu::use_matrix_unit(&cpu::AmxUnit<EmulatedAmx>::table);
}

template <class act>
constexpr Kernels<act> kCpuKernels = {
#define SIGNET_TEST_ENTRY(name) &cpu::name,
    SIGNET_TEST_KERNELS(SIGNET_TEST_ENTRY)
#undef SIGNET_TEST_ENTRY
#define SIGNET_TEST_ENTRY(name) &cpu::name<act>,
        SIGNET_TEST_ACTIVATION_KERNELS(SIGNET_TEST_ENTRY)
#undef SIGNET_TEST_ENTRY
};

template <class act>
constexpr Kernels<act> kCudaKernels = {
#define SIGNET_TEST_ENTRY(name) &cuda::name,
    SIGNET_TEST_KERNELS(SIGNET_TEST_ENTRY)
#undef SIGNET_TEST_ENTRY
#define SIGNET_TEST_ENTRY(name) &cuda::name<act>,
        SIGNET_TEST_ACTIVATION_KERNELS(SIGNET_TEST_ENTRY)
#undef SIGNET_TEST_ENTRY
};

template <class act, cuda::MatrixMath math>
Backend<act> cuda_backend(const char* name, double operand_roundoff, bool differs_by_products = true) {
  return {.name = name,
          .kernels = kCudaKernels<act>,
          .allocate = [](size_t bytes) { return cuda::allocate(int64_t(bytes)); },
          .release = cuda::release,
          .upload = [](void* to, const void* from, size_t n) { cuda::copy_to_device(to, from, int64_t(n)); },
          .download = [](void* to, const void* from, size_t n) { cuda::copy_to_host(to, from, int64_t(n)); },
          .activate = [] { cuda::set_matrix_math(math); },
          .operand_roundoff = operand_roundoff,
          .differs_by_products = differs_by_products};
}

}  // namespace

template <class real>
Backend<real> reference_backend() {
  return host_backend("ref", Kernels<real>{});
}
template Backend<float> reference_backend<float>();
template Backend<double> reference_backend<double>();
template Backend<std::complex<double>> reference_backend<std::complex<double>>();

template Backend<BFloat16> reference_backend<BFloat16>();

namespace {
template <class act>
std::vector<Backend<act>> backends_of_processor() {
  std::vector<Backend<act>> backends{host_backend("cpu", kCpuKernels<act>, restrict_processor<1>)};
  if (kProcessor & (HWY_AVX2 - 1))
    backends.push_back(host_backend("cpu (at most AVX2)", kCpuKernels<act>, restrict_processor<HWY_AVX2>));
  backends.push_back(host_backend("cpu (baseline)", kCpuKernels<act>, restrict_processor<2 * HWY_AVX2>));
  return backends;
}
}  // namespace

std::vector<Backend<float>> cpu_backends() {
  return backends_of_processor<float>();
}

std::vector<Backend<BFloat16>> cpu_bf16_backends() {
  std::vector<Backend<BFloat16>> backends = backends_of_processor<BFloat16>();
  const auto add = [&](const char* name, void (*activate)()) {
    backends.push_back(host_backend("cpu (" + std::string(name) + ")", kCpuKernels<BFloat16>, activate));
  };
  if (kMultipliesPairs) add("emulated matrix unit", with_emulated_unit);
  if (cpu::detected_matrix_unit()) add("pairs in vectors", without_matrix_unit);
  return backends;
}

std::vector<Backend<float>> cuda_backends() {
  if (cuda::device_count() == 0) return {};
  using cuda::MatrixMath;
  return {cuda_backend<float, MatrixMath::f32>("cuda", 0, false),
          cuda_backend<float, MatrixMath::tf32>("cuda (TF32)", 0x1p-11),
          cuda_backend<float, MatrixMath::bf16>("cuda (bf16)", 0x1p-8)};
}

std::vector<Backend<BFloat16>> cuda_bf16_backends() {
  if (cuda::device_count() == 0) return {};
  using cuda::MatrixMath;
  return {cuda_backend<BFloat16, MatrixMath::bf16>("cuda", 0x1p-8, false),
          cuda_backend<BFloat16, MatrixMath::f32>("cuda (products in float)", 0)};
}

bool device_is_simulated() {
  return cuda::device_count() > 0 && cuda::device_properties(0).simulated;
}

namespace {
template <class real>
std::vector<Backend<real>> all_backends(const std::vector<Backend<real>>& of_processor,
                                        const std::vector<Backend<real>>& of_device) {
  std::vector<Backend<real>> backends{reference_backend<real>()};
  if (!device_is_simulated()) backends.insert(backends.end(), of_processor.begin(), of_processor.end());
  backends.insert(backends.end(), of_device.begin(), of_device.end());
  return backends;
}
}  // namespace

std::vector<Backend<BFloat16>> bf16_backends() {
  return all_backends(cpu_bf16_backends(), cuda_bf16_backends());
}

std::vector<Backend<float>> float_backends() {
  return all_backends(cpu_backends(), cuda_backends());
}

}  // namespace signet::test
