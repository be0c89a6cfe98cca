#include <fmt/format.h>

#include "tests/kernels/suite.h"

namespace signet::test {
namespace {

// The first step assigns the velocity, so that it begins poisoned.
OpCase sgd_case(int64_t n, double momentum, bool nesterov, double weight_decay, bool first_step) {
  Data data("sgd");
  const Arg velocity = momentum == 0 ? absent("velocity")
                       : first_step  ? output("velocity", n)
                                     : in_out("velocity", data.uniform(n));
  return {.kernel = "sgd_step",
          .options = fmt::format("n={} momentum={} weight_decay={}{}{}", n, momentum, weight_decay,
                                 nesterov ? " nesterov" : "", first_step ? " first" : ""),
          .args = {in_out("w", data.uniform(n)), velocity, input("g", data.uniform(n))},
          .call = [=](const auto& k, Pointers p) {
            k.sgd_step(p[0], p[1], p[2], 0.05, momentum, nesterov, weight_decay, first_step, n);
          }};
}

OpCase adam_case(int64_t n, double weight_decay, bool decoupled, int64_t step) {
  Data data("adam");
  return {.kernel = "adam_step",
          .options = fmt::format("n={} weight_decay={}{} step={}", n, weight_decay,
                                 decoupled ? " decoupled" : "", step),
          .args = {in_out("w", data.uniform(n)), in_out("m", data.uniform(n, -0.1, 0.1)),
                   in_out("v", data.uniform(n, 0, 0.1)), input("g", data.uniform(n))},
          .call = [=](const auto& k, Pointers p) {
            k.adam_step(p[0], p[1], p[2], p[3], 0.002, 0.9, 0.999, 1e-8, weight_decay, decoupled, step, n);
          }};
}

// Several tensors of different sizes, more than one launch on a device takes; the tensors share three
// buffers.
std::vector<int64_t> sizes_together(int64_t count) {
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < count; ++i)
    sizes.push_back(i % 7 == 3 ? 0 : i % 5 == 2 ? 4096 * (i % 3) + 5 : 9 * i + 1);
  return sizes;
}

/// Calls use(offset, size) for each tensor.
template <class Use>
void for_each_tensor(int64_t count, const Use& use) {
  int64_t offset = 0;
  for (const int64_t size : sizes_together(count)) {
    use(offset, size);
    offset += size;
  }
}

int64_t size_together(int64_t count) {
  int64_t total = 0;
  for_each_tensor(count, [&](int64_t, int64_t size) { total += size; });
  return total;
}

template <class real>
real* shifted(const AnyPointer& pointer, int64_t offset) {
  return pointer.address ? static_cast<real*>(pointer.address) + offset : nullptr;
}

template <class act>
void call_sgd_steps(const Kernels<act>& k, Pointers p, int64_t count, double momentum, bool first_step) {
  using real = Real<act>;
  std::vector<SgdTensor<real>> tensors;
  for_each_tensor(count, [&](int64_t at, int64_t n) {
    tensors.push_back({shifted<real>(p[0], at), shifted<real>(p[1], at), shifted<real>(p[2], at), n});
  });
  k.sgd_steps(tensors.data(), count, 0.05, momentum, false, 0.01, first_step);
}

OpCase sgd_together(int64_t count, double momentum, bool first_step) {
  const int64_t n = size_together(count);
  OpCase op = sgd_case(n, momentum, false, 0.01, first_step);
  op.kernel = "sgd_steps";
  op.options = fmt::format("{} tensors, {}", count, op.options);
  op.call = [=](const auto& k, Pointers p) { call_sgd_steps(k, p, count, momentum, first_step); };
  return op;
}

template <class act>
void call_adam_steps(const Kernels<act>& k, Pointers p, int64_t count, bool decoupled) {
  using real = Real<act>;
  std::vector<AdamTensor<real>> tensors;
  for_each_tensor(count, [&](int64_t at, int64_t n) {
    tensors.push_back({shifted<real>(p[0], at), shifted<real>(p[1], at), shifted<real>(p[2], at),
                       shifted<real>(p[3], at), n});
  });
  k.adam_steps(tensors.data(), count, 0.002, 0.9, 0.999, 1e-8, 0.01, decoupled, 3);
}

OpCase adam_together(int64_t count, bool decoupled) {
  const int64_t n = size_together(count);
  OpCase op = adam_case(n, 0.01, decoupled, 3);
  op.kernel = "adam_steps";
  op.options = fmt::format("{} tensors, {}", count, op.options);
  op.call = [=](const auto& k, Pointers p) { call_adam_steps(k, p, count, decoupled); };
  return op;
}

}  // namespace

void add_optimizers(Suite& suite, Scale scale) {
  if (scale == Scale::bench) {
    suite.cases.push_back(sgd_case(1 << 20, 0.9, false, 1e-4, false));
    suite.cases.push_back(adam_case(1 << 20, 0.01, true, 10));
    return;
  }
  for (const int64_t count : {0, 1, 5, 32, 70}) {
    suite.cases.push_back(sgd_together(count, 0, false));
    for (const bool flag : {false, true}) {
      suite.cases.push_back(sgd_together(count, 0.9, flag));
      suite.cases.push_back(adam_together(count, flag));
    }
  }
  for (const int64_t n : {0, 1, 17, 1000, 40001}) {
    for (const double weight_decay : {0.0, 0.01}) {
      suite.cases.push_back(sgd_case(n, 0, false, weight_decay, true));
      suite.cases.push_back(sgd_case(n, 0, false, weight_decay, false));
      for (const bool nesterov : {false, true})
        for (const bool first : {false, true})
          suite.cases.push_back(sgd_case(n, 0.9, nesterov, weight_decay, first));
      for (const bool decoupled : {false, true})
        for (const int64_t step : {1, 2, 1000})
          suite.cases.push_back(adam_case(n, weight_decay, decoupled, step));
    }
  }
}

}  // namespace signet::test
