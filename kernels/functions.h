// The list of kernels, included by kernels/kernels.h once for each backend (so: no include guard).
//
// KERNEL stands before a declaration: `template <class real>` in ref::, nothing elsewhere (real is float
// there). KERNEL_BODY is empty, except in kernels/no_cuda, where it is a body that throws.
//
// A pointer that may be null says so. "rows" counts everything but the last axis; "channels" or "cols" is the
// last.

// ---- elementwise

/// y[n] = value.
KERNEL void fill(real* y, double value, int64_t n) KERNEL_BODY;

/// y[n] = a[n] + b[n]. y may be a or b.
KERNEL void add(real* y, const real* a, const real* b, int64_t n) KERNEL_BODY;

/// y[n] = alpha * x[n]. y may be x.
KERNEL void scale(real* y, const real* x, double alpha, int64_t n) KERNEL_BODY;

/// y[1] = sum of x[n]^2 (without conjugation), summed in an order that depends on n alone.
KERNEL void sum_of_squares(real* y, const real* x, int64_t n) KERNEL_BODY;

/// y[n] = max(x[n], 0); NaN stays NaN. y may be x.
KERNEL void relu_forward(real* y, const real* x, int64_t n) KERNEL_BODY;

/// dx[n] = y[n] > 0 ? dy[n] : 0, with y what relu_forward gave. Assigned. dx may be dy.
KERNEL void relu_backward(real* dx, const real* dy, const real* y, int64_t n) KERNEL_BODY;

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

/// y[cols] = or += the sum over the rows of x[rows,cols] (the gradient of a bias), in an order fixed by rows
/// alone.
KERNEL void sum_rows(real* y, const real* x, int64_t rows, int64_t cols, Accumulate accumulate) KERNEL_BODY;

// ---- convolution

/// y = w * x (+ bias[out_channels]) (+ residual, shaped as y), then ReLU if `relu`. bias and residual may be
/// null. Each image's result has the same bits whatever the batch it stands in.
KERNEL void conv2d_forward(real* y, const real* x, const real* w, const real* bias, const real* residual,
                           bool relu, const Conv2dShape& shape) KERNEL_BODY;

/// prepared[at most shape.prepared_size()] = w in the form that this backend's forward convolution reads, for
/// images of the shape's size in batches of any size. Aligned to 64 bytes, like prepared below.
KERNEL void conv2d_prepare(real* prepared, const real* w, const Conv2dShape& shape) KERNEL_BODY;

/// conv2d_forward, bit for bit, with weights that conv2d_prepare prepared: what is worth while where they are
/// used again and again on few images.
KERNEL void conv2d_forward_prepared(real* y, const real* x, const real* prepared, const real* bias,
                                    const real* residual, bool relu, const Conv2dShape& shape) KERNEL_BODY;

/// dx (shaped as x) = or += the gradient of sum(dy * conv2d(x, w)) by x.
KERNEL void conv2d_backward_data(real* dx, const real* dy, const real* w, Accumulate accumulate,
                                 const Conv2dShape& shape) KERNEL_BODY;

/// dw (shaped as w) = or += the gradient of sum(dy * conv2d(x, w)) by w.
KERNEL void conv2d_backward_weight(real* dw, const real* dy, const real* x, Accumulate accumulate,
                                   const Conv2dShape& shape) KERNEL_BODY;

// ---- batch normalisation
//
// x, y, dx, dy, residual and dresidual are [rows, channels] (rows = batch * height * width);
// all else is [channels].

/// Batch statistics, two-pass (never E[x^2] - E[x]^2): mean and biased variance over the rows;
/// y = weight * (x - mean) * inv_std + bias (+ residual), then ReLU if `relu`, with inv_std = 1 /
/// sqrt(variance + eps). saved_mean and saved_inv_std are assigned for the backward pass. running = (1 -
/// momentum) * running + momentum * batch statistic, with the unbiased variance (the biased one if rows = 1);
/// both running pointers may be null together. residual may be null. y may be x or residual.
KERNEL void batchnorm_forward_train(real* y, real* saved_mean, real* saved_inv_std, real* running_mean,
                                    real* running_var, const real* x, const real* weight, const real* bias,
                                    const real* residual, bool relu, double momentum, double eps,
                                    int64_t rows, int64_t channels) KERNEL_BODY;

/// The same with the running statistics in place of the batch's. y may be x or residual.
KERNEL void batchnorm_forward_eval(real* y, const real* x, const real* weight, const real* bias,
                                   const real* running_mean, const real* running_var, const real* residual,
                                   bool relu, double eps, int64_t rows, int64_t channels) KERNEL_BODY;

/// Gradients of batchnorm_forward_train. With g = dy where y > 0 (all of dy without `relu`): dx (assigned;
/// may be null, may be dy), dresidual = g (assigned; may be null, may be dy but not dx), dweight and dbias
/// (assigned or added to; null together when the affine parameters are frozen). y is the forward pass's
/// output, read only with `relu`, else may be null.
KERNEL void batchnorm_backward_train(real* dx, real* dresidual, real* dweight, real* dbias, const real* dy,
                                     const real* x, const real* y, const real* weight, const real* saved_mean,
                                     const real* saved_inv_std, bool relu, Accumulate accumulate,
                                     int64_t rows, int64_t channels) KERNEL_BODY;

/// Gradients of batchnorm_forward_eval, pointers as for batchnorm_backward_train. x is read only where
/// dweight is asked for, else may be null.
KERNEL void batchnorm_backward_eval(real* dx, real* dresidual, real* dweight, real* dbias, const real* dy,
                                    const real* x, const real* y, const real* weight,
                                    const real* running_mean, const real* running_var, double eps, bool relu,
                                    Accumulate accumulate, int64_t rows, int64_t channels) KERNEL_BODY;

/// Folds an evaluation-mode batchnorm into the convolution before it: w_folded[o, ...] = w[o, ...] * s[o] and
/// bias_folded[o] = (conv_bias[o] - running_mean[o]) * s[o] + bias[o], with s = weight / sqrt(running_var +
/// eps). conv_bias may be null (zeros). filter_size = weights an output channel.
KERNEL void batchnorm_fold(real* w_folded, real* bias_folded, const real* w, const real* conv_bias,
                           const real* weight, const real* bias, const real* running_mean,
                           const real* running_var, double eps, int64_t out_channels,
                           int64_t filter_size) KERNEL_BODY;

// ---- pooling

/// y = the maximum of each window (the first one in row-major order on a tie, as PyTorch; NaN wins), and its
/// place in the plane of x, row * in_width + column, in index (shaped as y; may be null).
KERNEL void maxpool_forward(real* y, int32_t* index, const real* x, const Pool2dShape& shape) KERNEL_BODY;

/// dx (shaped as x, assigned) = dy gathered at the places in index.
KERNEL void maxpool_backward(real* dx, const real* dy, const int32_t* index,
                             const Pool2dShape& shape) KERNEL_BODY;

/// y[batch, channels] = the mean of x[batch, pixels, channels] over the pixels.
KERNEL void global_avgpool_forward(real* y, const real* x, int64_t batch, int64_t pixels,
                                   int64_t channels) KERNEL_BODY;

/// dx[batch, pixels, channels] (assigned) = dy[batch, channels] / pixels.
KERNEL void global_avgpool_backward(real* dx, const real* dy, int64_t batch, int64_t pixels,
                                    int64_t channels) KERNEL_BODY;

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
