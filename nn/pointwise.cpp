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
  Tensor y = Tensor::empty(x.shape(), x.device());
  SIGNET_LAUNCH(x.device(), relu_forward, y.data(), x.data(), x.size());
  const Gradient dx = gradient_of(x);
  record("relu", y, {dx}, [dx, y = y.detach()](Tensor dy) {
    Tensor result = dy.unique() ? dy : Tensor::empty(dy.shape(), dy.device());
    SIGNET_LAUNCH(dy.device(), relu_backward, result.data(), dy.data(), y.data(), dy.size());
    dx.add(result);
  });
  return y;
}

Tensor add(const Tensor& a, const Tensor& b) {
  require(a.shape() == b.shape(), "add", "shapes {} and {} differ", a.shape().to_string(),
          b.shape().to_string());
  Tensor y = Tensor::empty(a.shape(), a.device());
  SIGNET_LAUNCH(a.device(), add, y.data(), a.data(), b.data(), a.size());
  const Gradient da = gradient_of(a), db = gradient_of(b);
  record("add", y, {da, db}, [da, db](const Tensor& dy) {
    if (da) da.add(dy);
    if (db) db.add(dy);
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
