#include <array>
#include <bit>

#include "nn/check.h"
#include "nn/functions.h"
#include "tensor/launch.h"

namespace signet::nn {
namespace {

const PhiloxKey* key_of(const Tensor& key) {
  return reinterpret_cast<const PhiloxKey*>(key.data_i32());
}

}  // namespace

Tensor relu(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.device(), x.dtype());
  with_activations(x.dtype(), [&]<class act>() {
    SIGNET_LAUNCH(x.device(), relu_forward, y.data<act>(), x.data<act>(), x.size());
  });
  const Gradient dx = gradient_of(x);
  record("relu", y, {dx}, [dx, y = y.detach()](Tensor dy) {
    Tensor result = dy.unique() ? dy : Tensor::empty(dy.shape(), dy.device(), dy.dtype());
    with_activations(dy.dtype(), [&]<class act>() {
      SIGNET_LAUNCH(dy.device(), relu_backward, result.data<act>(), dy.data<act>(), y.data<act>(), dy.size());
    });
    dx.add(result);
  });
  return y;
}

Tensor add(const Tensor& a, const Tensor& b) {
  require(a.shape() == b.shape(), "add", "shapes {} and {} differ", a.shape().to_string(),
          b.shape().to_string());
  Tensor y = Tensor::empty(a.shape(), a.device(), a.dtype());
  with_activations(a.dtype(), [&]<class act>() {
    SIGNET_LAUNCH(a.device(), add, y.data<act>(), a.data<act>(), b.data<act>(), a.size());
  });
  const Gradient da = gradient_of(a), db = gradient_of(b);
  record("add", y, {da, db}, [da, db](const Tensor& dy) {
    if (da) da.add(dy);
    if (db) db.add(dy);
  });
  return y;
}

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  require(dtype == DType::f32 || dtype == DType::bf16, "cast", "to {}: only f32 and bf16 are activations",
          name_of(dtype));
  Tensor y = Tensor::empty(x.shape(), x.device(), dtype);
  if (dtype == DType::bf16) {
    SIGNET_LAUNCH(x.device(), to_bf16, y.data<BFloat16>(), x.data(), x.size());
  } else {
    SIGNET_LAUNCH(x.device(), from_bf16, y.data(), x.data<BFloat16>(), x.size());
  }
  const Gradient dx = gradient_of(x);
  record("cast", y, {dx}, [dx, from = x.dtype()](const Tensor& dy) {
    const NoGrad no_grad;
    dx.add(cast(dy, from));
  });
  return y;
}

Tensor flatten(const Tensor& x) {
  const Shape flat{x.shape()[0], x.shape()[0] == 0 ? 0 : x.size() / x.shape()[0]};
  Tensor y = x.viewed_as(flat);
  const Gradient dx = gradient_of(x);
  record("flatten", y, {dx}, [dx, shape = x.shape()](const Tensor& dy) { dx.add(dy.viewed_as(shape)); });
  return y;
}

Tensor key_tensor(PhiloxKey key, Device device) {
  const auto words = std::bit_cast<std::array<int32_t, 4>>(key);
  return Tensor::from(words, {int64_t(words.size())}, device);
}

Tensor dropout(const Tensor& x, double probability, const Tensor& key) {
  require(probability >= 0 && probability < 1, "dropout", "probability {} is not in [0, 1)", probability);
  Tensor y = Tensor::empty(x.shape(), x.device());
  SIGNET_LAUNCH(x.device(), dropout, y.data(), x.data(), probability, key_of(key), x.size());
  const Gradient dx = gradient_of(x);
  // The mask is drawn again from its key: nothing else is saved.
  record("dropout", y, {dx}, [dx, probability, key, version = key.version()](Tensor dy) {
    require(key.version() == version, "dropout", "the key was changed before the backward pass");
    Tensor result = dy.unique() ? dy : Tensor::empty(dy.shape(), dy.device());
    SIGNET_LAUNCH(dy.device(), dropout, result.data(), dy.data(), probability, key_of(key), dy.size());
    dx.add(result);
  });
  return y;
}

}  // namespace signet::nn
