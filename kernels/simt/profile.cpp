// Compiled with the macro cuda=cuda_checked, as the checked kernels are: see Simulated.cmake.

#include "kernels/simt/profile.h"

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>

#include "kernels/cuda/runtime.h"
#include "kernels/ladder/ladder.h"

namespace signet::simt {
namespace {

template <class T>
using Memory = std::unique_ptr<T, void (*)(T*)>;
using Floats = Memory<float>;

template <class T>
Memory<T> copy_of(const std::vector<T>& values) {
  const auto bytes = int64_t(values.size() * sizeof(T));
  Memory<T> memory(static_cast<T*>(cuda::allocate(bytes)), [](T* p) { cuda::release(p); });
  cuda::copy_to_device(memory.get(), values.data(), bytes);
  return memory;
}

template <class T = float>
Memory<T> on_device(int64_t n) {
  std::vector<T> values(static_cast<size_t>(std::max<int64_t>(n, 1)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = T(float(std::fmod(double(i) * 0.618, 1.0)) + 0.25f);
  return copy_of(values);
}

using Run = std::function<void(const ProfileSizes&)>;

bool counting = false;

// If anything is counted, the call is, and not what leads to it.
template <class Call>
void counted(const Call& call) {
  if (counting) start_counting_requests();
  call();
}

void accept(const std::string& refusal) {
  if (!refusal.empty()) throw std::invalid_argument(refusal);
}

template <class act>
void add_convolutions(std::map<std::string, Run>& all) {
  using Activations = Memory<act>;
  all["conv2d_forward"] = [](const ProfileSizes& s) {
    const Activations y = on_device<act>(s.conv.out_size()), x = on_device<act>(s.conv.in_size());
    const Floats w = on_device(s.conv.weight_size()), bias = on_device(s.conv.out_channels);
    counted([&] { cuda::conv2d_forward<act>(y.get(), x.get(), w.get(), bias.get(), nullptr, true, s.conv); });
  };
  all["conv2d_backward_data"] = [](const ProfileSizes& s) {
    const Activations dy = on_device<act>(s.conv.out_size()), dx = on_device<act>(s.conv.in_size());
    const Floats w = on_device(s.conv.weight_size());
    counted([&] { cuda::conv2d_backward_data(dx.get(), dy.get(), w.get(), Accumulate::no, s.conv); });
  };
  all["conv2d_backward_weight"] = [](const ProfileSizes& s) {
    const Activations dy = on_device<act>(s.conv.out_size()), x = on_device<act>(s.conv.in_size());
    const Floats dw = on_device(s.conv.weight_size());
    counted([&] { cuda::conv2d_backward_weight(dw.get(), dy.get(), x.get(), Accumulate::no, s.conv); });
  };
}

template <class act>
void add_batchnorm(std::map<std::string, Run>& all) {
  using Activations = Memory<act>;
  all["batchnorm_forward_train"] = [](const ProfileSizes& s) {
    const int64_t n = s.rows * s.channels, c = s.channels;
    const Activations y = on_device<act>(n), x = on_device<act>(n), residual = on_device<act>(n);
    const Floats mean = on_device(c), inv_std = on_device(c), running_mean = on_device(c),
                 running_var = on_device(c), weight = on_device(c), bias = on_device(c);
    counted([&] {
      cuda::batchnorm_forward_train(y.get(), mean.get(), inv_std.get(), running_mean.get(), running_var.get(),
                                    x.get(), weight.get(), bias.get(), residual.get(), true, 0.1, 1e-5,
                                    s.rows, s.channels);
    });
  };
  all["batchnorm_forward_eval"] = [](const ProfileSizes& s) {
    const int64_t n = s.rows * s.channels, c = s.channels;
    const Activations y = on_device<act>(n), x = on_device<act>(n), residual = on_device<act>(n);
    const Floats mean = on_device(c), variance = on_device(c), weight = on_device(c), bias = on_device(c);
    counted([&] {
      cuda::batchnorm_forward_eval(y.get(), x.get(), weight.get(), bias.get(), mean.get(), variance.get(),
                                   residual.get(), true, 1e-5, s.rows, s.channels);
    });
  };
  all["batchnorm_backward_train"] = [](const ProfileSizes& s) {
    const int64_t n = s.rows * s.channels, c = s.channels;
    const Activations dx = on_device<act>(n), dresidual = on_device<act>(n), dy = on_device<act>(n),
                      x = on_device<act>(n), y = on_device<act>(n);
    const Floats dweight = on_device(c), dbias = on_device(c), weight = on_device(c), mean = on_device(c),
                 inv_std = on_device(c);
    counted([&] {
      cuda::batchnorm_backward_train(dx.get(), dresidual.get(), dweight.get(), dbias.get(), dy.get(), x.get(),
                                     y.get(), weight.get(), mean.get(), inv_std.get(), true, Accumulate::no,
                                     s.rows, s.channels);
    });
  };
}

template <class act>
void add_elementwise(std::map<std::string, Run>& all) {
  using Activations = Memory<act>;
  all["relu_forward"] = [](const ProfileSizes& s) {
    const int64_t n = s.rows * s.channels;
    const Activations y = on_device<act>(n), x = on_device<act>(n);
    counted([&] { cuda::relu_forward(y.get(), x.get(), n); });
  };
  all["relu_backward"] = [](const ProfileSizes& s) {
    const int64_t n = s.rows * s.channels;
    const Activations dx = on_device<act>(n), dy = on_device<act>(n), y = on_device<act>(n);
    counted([&] { cuda::relu_backward(dx.get(), dy.get(), y.get(), n); });
  };
  all["add"] = [](const ProfileSizes& s) {
    const int64_t n = s.rows * s.channels;
    const Activations y = on_device<act>(n), a = on_device<act>(n), b = on_device<act>(n);
    counted([&] { cuda::add(y.get(), a.get(), b.get(), n); });
  };
  all["sum_rows"] = [](const ProfileSizes& s) {
    const Floats y = on_device(s.channels);
    const Activations x = on_device<act>(s.rows * s.channels);
    counted([&] { cuda::sum_rows(y.get(), x.get(), s.rows, s.channels, Accumulate::no); });
  };
}

// An image each, of s.conv.
template <class act>
void add_pooling(std::map<std::string, Run>& all) {
  using Activations = Memory<act>;
  const auto pool = [](const ProfileSizes& s) {
    return Pool2dShape{.batch = s.conv.batch,
                       .in_height = s.conv.in_height,
                       .in_width = s.conv.in_width,
                       .channels = s.conv.in_channels,
                       .kernel = 3,
                       .stride = 2,
                       .padding = 1};
  };
  all["maxpool_forward"] = [pool](const ProfileSizes& s) {
    const Pool2dShape p = pool(s);
    const Activations y = on_device<act>(p.out_size()), x = on_device<act>(p.in_size());
    const auto index = copy_of(std::vector<int32_t>(size_t(p.out_size())));
    counted([&] { cuda::maxpool_forward(y.get(), index.get(), x.get(), false, p); });
  };
  all["maxpool_backward"] = [pool](const ProfileSizes& s) {
    const Pool2dShape p = pool(s);
    const Activations dx = on_device<act>(p.in_size()), dy = on_device<act>(p.out_size());
    const auto index = copy_of(std::vector<int32_t>(size_t(p.out_size())));
    counted([&] { cuda::maxpool_backward(dx.get(), dy.get(), index.get(), p); });
  };
  all["global_avgpool_forward"] = [](const ProfileSizes& s) {
    const Floats y = on_device(s.conv.batch * s.conv.in_channels);
    const Activations x = on_device<act>(s.conv.in_size());
    counted([&] {
      cuda::global_avgpool_forward(y.get(), x.get(), s.conv.batch, s.conv.in_height * s.conv.in_width,
                                   s.conv.in_channels);
    });
  };
}

// What knows floats only.
void add_others(std::map<std::string, Run>& all) {
  all["gemm"] = [](const ProfileSizes& s) {
    const Floats c = on_device(s.m * s.n), a = on_device(s.m * s.k), b = on_device(s.k * s.n);
    counted([&] {
      cuda::gemm(c.get(), a.get(), b.get(), Transpose::no, Transpose::no, s.m, s.n, s.k, Accumulate::no);
    });
  };
  all["dropout"] = [](const ProfileSizes& s) {
    const int64_t n = s.rows * s.channels;
    const Floats y = on_device(n), x = on_device(n);
    const auto key = copy_of(std::vector<PhiloxKey>(1));
    counted([&] { cuda::dropout(y.get(), x.get(), 0.5, key.get(), n); });
  };
  all["adam_step"] = [](const ProfileSizes& s) {
    const int64_t n = s.rows * s.channels;
    const Floats w = on_device(n), m = on_device(n), v = on_device(n), g = on_device(n);
    counted(
        [&] { cuda::adam_step(w.get(), m.get(), v.get(), g.get(), 1e-3, 0.9, 0.999, 1e-8, 0, false, 1, n); });
  };
  all["softmax_forward"] = [](const ProfileSizes& s) {
    const Floats p = on_device(s.rows * s.channels), x = on_device(s.rows * s.channels);
    counted([&] { cuda::softmax_forward(p.get(), x.get(), s.rows, s.channels); });
  };
  all["image_warp"] = [](const ProfileSizes& s) {
    Conv2dShape colour = s.conv;
    colour.in_channels = 3;
    const Floats y = on_device(colour.in_size()), mean = on_device(3), deviation = on_device(3);
    const auto images = copy_of(std::vector<uint8_t>(size_t(colour.in_size()), 100));
    // Turned by a few degrees, as augmentation does.
    const ImageWarp turn{.m = {0.98f, 0.17f, 1, -0.17f, 0.98f, -1}, .brightness = 1.1f, .contrast = 0.9f};
    const auto warps = copy_of(std::vector<ImageWarp>(size_t(colour.batch), turn));
    counted([&] {
      cuda::image_warp(y.get(), images.get(), warps.get(), mean.get(), deviation.get(), colour.batch,
                       colour.in_height, colour.in_width, 3);
    });
  };
}

void add_ladder(std::map<std::string, Run>& all) {
  for (const auto& rung : cuda::ladder::gemm_rungs()) {
    all[rung.name] = [&rung](const ProfileSizes& s) {
      accept(rung.refusal(s.m, s.n, s.k));
      const Floats c = on_device(s.m * s.n), a = on_device(s.m * s.k), b = on_device(s.k * s.n);
      counted([&] { rung.run(c.get(), a.get(), b.get(), s.m, s.n, s.k); });
    };
  }
  const auto add_conv = [&](std::span<const cuda::ladder::ConvRung> rungs, auto out, auto first,
                            auto second) {
    for (const auto& rung : rungs) {
      all[rung.name] = [&rung, out, first, second](const ProfileSizes& s) {
        accept(rung.refusal(s.conv));
        const Floats to = on_device(out(s.conv)), a = on_device(first(s.conv)), b = on_device(second(s.conv));
        counted([&] { rung.run(to.get(), a.get(), b.get(), s.conv); });
      };
    }
  };
  const auto x = [](const Conv2dShape& s) { return s.in_size(); };
  const auto y = [](const Conv2dShape& s) { return s.out_size(); };
  const auto w = [](const Conv2dShape& s) { return s.weight_size(); };
  add_conv(cuda::ladder::conv_rungs(), y, x, w);
  add_conv(cuda::ladder::conv_backward_data_rungs(), x, y, w);
  add_conv(cuda::ladder::conv_backward_weight_rungs(), w, y, x);
  for (const auto& rung : cuda::ladder::batchnorm_rungs()) {
    all[rung.name] = [&rung](const ProfileSizes& s) {
      accept(rung.refusal(s.rows, s.channels));
      const int64_t n = s.rows * s.channels, c = s.channels;
      const Floats to = on_device(n), from = on_device(n), residual = on_device(n), mean = on_device(c),
                   inv_std = on_device(c), weight = on_device(c), bias = on_device(c);
      counted([&] {
        rung.run(to.get(), mean.get(), inv_std.get(), from.get(), weight.get(), bias.get(), residual.get(),
                 true, 1e-5, s.rows, s.channels);
      });
    };
  }
}

template <class act>
const std::map<std::string, Run>& kernels() {
  static const auto& all = *new std::map<std::string, Run>([] {
    std::map<std::string, Run> made;
    add_convolutions<act>(made);
    add_batchnorm<act>(made);
    add_elementwise<act>(made);
    add_pooling<act>(made);
    if constexpr (std::is_same_v<act, float>) {
      add_others(made);
      add_ladder(made);
    }
    return made;
  }());
  return all;
}

const std::map<std::string, Run>& kernels_of(const std::string& activations) {
  if (activations == "f32") return kernels<float>();
  if (activations == "bf16") return kernels<BFloat16>();
  throw std::invalid_argument("activations " + activations + " are none of f32 and bf16");
}

cuda::MatrixMath math_of(const std::string& precision) {
  if (precision == "f32") return cuda::MatrixMath::f32;
  if (precision == "tf32") return cuda::MatrixMath::tf32;
  if (precision == "bf16") return cuda::MatrixMath::bf16;
  throw std::invalid_argument("precision " + precision + " is none of f32, tf32 and bf16");
}

cuda::TileChoice tile_of(const std::string& tile) {
  if (tile == "automatic") return cuda::TileChoice::automatic;
  if (tile == "small") return cuda::TileChoice::small;
  if (tile == "narrow") return cuda::TileChoice::narrow;
  if (tile == "large") return cuda::TileChoice::large;
  if (tile == "warpgroup-small") return cuda::TileChoice::warpgroup_small;
  if (tile == "warpgroup-narrow") return cuda::TileChoice::warpgroup_narrow;
  if (tile == "warpgroup-large") return cuda::TileChoice::warpgroup_large;
  if (tile == "tensor-memory-small") return cuda::TileChoice::tensor_memory_small;
  if (tile == "tensor-memory-narrow") return cuda::TileChoice::tensor_memory_narrow;
  if (tile == "tensor-memory-large") return cuda::TileChoice::tensor_memory_large;
  throw std::invalid_argument(
      "tile " + tile +
      " is none of automatic, small, narrow, large, warpgroup-small, warpgroup-narrow, "
      "warpgroup-large, tensor-memory-small, tensor-memory-narrow and "
      "tensor-memory-large");
}

cuda::ConvChoice choice_of(const std::string& algorithm) {
  if (algorithm == "automatic") return cuda::ConvChoice::automatic;
  if (algorithm == "implicit_gemm") return cuda::ConvChoice::implicit_gemm;
  if (algorithm == "winograd") return cuda::ConvChoice::winograd;
  throw std::invalid_argument("algorithm " + algorithm + " is none of automatic, implicit_gemm and winograd");
}

}  // namespace

std::vector<std::string> profiled_kernels(const std::string& activations) {
  std::vector<std::string> names;
  for (const auto& [name, run] : kernels_of(activations)) names.push_back(name);
  return names;
}

void run_kernel(const std::string& name, const ProfileSizes& sizes) {
  const auto& kernels = kernels_of(sizes.activations);
  const auto found = kernels.find(name);
  if (found == kernels.end())
    throw std::invalid_argument("no kernel of " + sizes.activations + " activations is called " + name);
  cuda::set_matrix_math(math_of(sizes.precision));
  cuda::set_tile_choice(tile_of(sizes.tile));
  cuda::set_conv_choice(choice_of(sizes.algorithm));
  found->second(sizes);
}

std::vector<LineCounts> profile_kernel(const std::string& name, const ProfileSizes& sizes) {
  counting = true;
  run_kernel(name, sizes);
  counting = false;
  return stop_counting_requests();
}

}  // namespace signet::simt
