// The list of kernels but for those of activations (activations.h), included by kernels/kernels.h once for
// each backend (so: no include guard).
//
// KERNEL stands before a declaration: `template <class real>` in ref::, nothing elsewhere (real is float
// there). KERNEL_BODY is empty, except in kernels/no_cuda, where it is a body that throws.
//
// A pointer that may be null says so. "rows" counts everything but the last axis; "channels" or "cols" is the
// last.

// ---- elementwise

/// y[n] = value.
KERNEL void fill(real* y, double value, int64_t n) KERNEL_BODY;

/// y[n] = x[n], rounded to bfloat16, and back.
KERNEL void to_bf16(BFloat16* y, const real* x, int64_t n) KERNEL_BODY;
KERNEL void from_bf16(real* y, const BFloat16* x, int64_t n) KERNEL_BODY;

/// y[n] = alpha * x[n]. y may be x.
KERNEL void scale(real* y, const real* x, double alpha, int64_t n) KERNEL_BODY;

/// y[1] = sum of x[n]^2 (without conjugation), summed in an order that depends on n alone.
KERNEL void sum_of_squares(real* y, const real* x, int64_t n) KERNEL_BODY;

/// y[n] = x[n] / (1 - probability) where philox_uniform of draw n is >= probability, else 0. Draw i is word i
/// % 4 of philox(key, i / 4). Linear in x with the same mask, so that the gradient is the same call on dy. y
/// may be x. 0 <= probability < 1. The key lies in the device's memory, where a recorded launch finds the one
/// that is then there.
KERNEL void dropout(real* y, const real* x, double probability, const PhiloxKey* key, int64_t n) KERNEL_BODY;

// ---- matrices

/// C[m,n] = op(A) op(B), or C += op(A) op(B). op(A) is [m,k]: A is stored [m,k], or [k,m] if transposed.
/// op(B) is [k,n]: B is stored [k,n], or [n,k] if transposed. k = 0 gives zeros.
KERNEL void gemm(real* c, const real* a, const real* b, Transpose transpose_a, Transpose transpose_b,
                 int64_t m, int64_t n, int64_t k, Accumulate accumulate) KERNEL_BODY;

/// y[rows,cols] = x[cols] in every row.
KERNEL void broadcast_rows(real* y, const real* x, int64_t rows, int64_t cols) KERNEL_BODY;

// ---- batch normalisation

/// Folds an evaluation-mode batchnorm into the convolution before it: w_folded[o, ...] = w[o, ...] * s[o] and
/// bias_folded[o] = (conv_bias[o] - running_mean[o]) * s[o] + bias[o], with s = weight / sqrt(running_var +
/// eps). conv_bias may be null (zeros). filter_size = weights an output channel.
KERNEL void batchnorm_fold(real* w_folded, real* bias_folded, const real* w, const real* conv_bias,
                           const real* weight, const real* bias, const real* running_mean,
                           const real* running_var, double eps, int64_t out_channels,
                           int64_t filter_size) KERNEL_BODY;

// ---- loss

/// p[rows, cols] = softmax of each row of logits, by subtracting the row's maximum.
KERNEL void softmax_forward(real* p, const real* logits, int64_t rows, int64_t cols) KERNEL_BODY;

/// Mean cross-entropy, PyTorch's definition. For row i with t = target[i] (0 <= t < classes), class weights u
/// (all 1 if class_weight is null) and smoothing s:
///   l_i = (1 - s) * u[t] * -log p[i,t] + s / classes * sum_c u[c] * -log p[i,c];   loss[1] = sum l_i / sum
///   u[t].
/// p[rows, classes] is assigned softmax(logits), for the backward pass. Computed from log-softmax: logits of
/// 1e4 do no harm.
KERNEL void cross_entropy_forward(real* loss, real* p, const real* logits, const int32_t* target,
                                  const real* class_weight, double smoothing, int64_t rows,
                                  int64_t classes) KERNEL_BODY;

/// dlogits[rows, classes] (assigned) = dloss[1] * the gradient of the loss above, from its p.
KERNEL void cross_entropy_backward(real* dlogits, const real* dloss, const real* p, const int32_t* target,
                                   const real* class_weight, double smoothing, int64_t rows,
                                   int64_t classes) KERNEL_BODY;

// ---- optimisers

/// PyTorch's SGD: g += weight_decay * w; velocity = first_step ? g : momentum * velocity + g;
/// w -= lr * (nesterov ? g + momentum * velocity : velocity). velocity may be null if momentum = 0.
KERNEL void sgd_step(real* w, real* velocity, const real* g, double lr, double momentum, bool nesterov,
                     double weight_decay, bool first_step, int64_t n) KERNEL_BODY;

/// PyTorch's Adam (decay added to the gradient) or AdamW (`decoupled`: w *= 1 - lr * weight_decay first).
/// m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
/// w -= lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps). step counts from 1.
KERNEL void adam_step(real* w, real* m, real* v, const real* g, double lr, double beta1, double beta2,
                      double eps, double weight_decay, bool decoupled, int64_t step, int64_t n) KERNEL_BODY;

/// The same for each of `count` tensors, to the same bits: a GPU then takes a few launches instead of one a
/// tensor. `tensors` lies in the host's memory, what it points to on the device; velocities are null all
/// together or not at all.
KERNEL void sgd_steps(const SgdTensor<real>* tensors, int64_t count, double lr, double momentum,
                      bool nesterov, double weight_decay, bool first_step) KERNEL_BODY;
KERNEL void adam_steps(const AdamTensor<real>* tensors, int64_t count, double lr, double beta1, double beta2,
                       double eps, double weight_decay, bool decoupled, int64_t step) KERNEL_BODY;

// ---- random numbers, images

/// y[n] uniform: low + (high - low) * philox_uniform of draw n (numbered as for dropout). Never below low,
/// and below high but for the rounding of the result.
KERNEL void random_uniform(real* y, double low, double high, PhiloxKey key, int64_t n) KERNEL_BODY;

/// y[n] normal. Values 2i and 2i+1 are the cosine and sine halves of Box and Muller's transform of draws 2i
/// and 2i+1 (the radius from 1 - the first, the angle from the second), computed in double, then rounded.
KERNEL void random_normal(real* y, double mean, double deviation, PhiloxKey key, int64_t n) KERNEL_BODY;

/// y[batch, height, width, channels] = (warp(image) / 255 - mean[c]) / deviation[c], for uint8 images of the
/// same shape; black outside; see ImageWarp. With the identity warp the
/// pixels pass through exactly. channels is 1 or 3; mean and deviation are [channels].
KERNEL void image_warp(real* y, const uint8_t* images, const ImageWarp* warps, const real* mean,
                       const real* deviation, int64_t batch, int64_t height, int64_t width,
                       int64_t channels) KERNEL_BODY;
