// HEAD
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

void run(float* y, float* saved_mean, float* saved_inv_std, const float* x, const float* weight,
         const float* bias, const float* residual, bool relu, double eps, int64_t rows, int64_t channels) {
  batchnorm_forward_train(y, saved_mean, saved_inv_std, nullptr, nullptr, x, weight, bias, residual, relu, 0,
                          eps, rows, channels);
}

std::string refuse_nothing(int64_t, int64_t) {
  return "";
}

}  // namespace

BatchnormRung batchnorm_04_fused() {
  return {.name = "batchnorm_04_fused",
          .idea = "Residual and ReLU join the pass that writes y, and all of it moves 16 bytes at a time.",
          .run = run,
          .refusal = refuse_nothing};
}

}  // namespace signet::cuda::ladder
