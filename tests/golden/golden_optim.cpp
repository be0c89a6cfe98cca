// Ten steps of every optimiser and ten rates of every schedule against PyTorch.

#include <functional>

#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "tensor/autograd.h"
#include "tests/golden/golden.h"

namespace signet {
namespace {

/// float32 arithmetic in another order than PyTorch's.
constexpr double kTolerance = 1e-5;

TEST_CASE("golden optim: ten steps") {
  const golden::Figures figures("optim.safetensors");
  if (!figures.available()) return;
  using namespace optim;
  const auto adam = [](double decay, bool decoupled) {
    return AdamOptions{0.9, 0.999, 1e-8, decay, decoupled};
  };
  using Make = std::function<std::unique_ptr<Optimizer>(std::vector<NamedParameter>)>;
  const std::vector<std::tuple<const char*, double, Make>> cases{
      {"sgd", 0.1, [](auto p) { return make_sgd(p); }},
      {"sgd_momentum", 0.1,
       [](auto p) {
         return make_sgd(p, {0.9, false, 0});
       }},
      {"sgd_nesterov_wd", 0.1,
       [](auto p) {
         return make_sgd(p, {0.9, true, 0.01});
       }},
      {"adam", 0.002, [&](auto p) { return make_adam(p, adam(0, false)); }},
      {"adam_wd", 0.002, [&](auto p) { return make_adam(p, adam(0.01, false)); }},
      {"adamw", 0.002, [&](auto p) { return make_adam(p, adam(0.01, true)); }}};
  const auto gradients = figures.values("grads");
  for (const auto& [name, rate, make] : cases) {
    INFO(name);
    Tensor w = figures.tensor("w0");
    w.set_requires_grad(true);
    const auto optimizer = make({{"w", w}});
    const auto expected = figures.values(name);
    const size_t n = size_t(w.size());
    for (size_t step = 0; step < 10; ++step) {
      INFO("step ", step);
      optimizer->clear_gradients();
      gradient_of(w).add(
          Tensor::from(std::span(gradients).subspan(step * n, n), w.shape(), golden::device()));
      optimizer->step(rate);
      const std::vector<float> at_step(expected.begin() + ptrdiff_t(step * n),
                                       expected.begin() + ptrdiff_t((step + 1) * n));
      CHECK_CLOSE(w.to_vector(), at_step, kTolerance);
    }
  }
}

TEST_CASE("golden optim: schedules") {
  const golden::Figures figures("optim.safetensors");
  if (!figures.available()) return;
  const auto check = [&](const char* name, const optim::Schedule& schedule) {
    INFO(name);
    std::vector<float> rates;
    for (int i = 0; i < 10; ++i) rates.push_back(float(schedule.rate(i)));
    CHECK_CLOSE(rates, figures.values(name), kTolerance);
  };
  check("lr_cosine", *optim::cosine_decay(0.1, 10));
  check("lr_step3", *optim::step_decay(0.1, 3, 0.5));
  check("lr_onecycle", *optim::one_cycle(0.1, 10));
}

}  // namespace
}  // namespace signet
