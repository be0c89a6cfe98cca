// The list of kernels that take activations, included by kernels/kernels.h for each backend (so: no include
// guard).
//
// Activations and their gradients are ACT, float or bfloat16; parameters, statistics and their gradients are
// REAL, float for either. KERNEL is `template <class act>` and ACT is act; REAL is Real<act> in ref::.
// KERNEL_BODY is empty, except in kernels/no_cuda. Whatever the type, sums are made in float or better, and
// what is stored is rounded once. With bfloat16 a kernel may round the operands of products to bfloat16 as
// well.
//
// A pointer that may be null says so. "rows" counts everything but the last axis; "channels" or "cols" is the
// last.

// ---- elementwise

/// y[n] = a[n] + b[n]. y may be a or b.
KERNEL void add(ACT* y, const ACT* a, const ACT* b, int64_t n) KERNEL_BODY;

/// y[n] = max(x[n], 0); NaN stays NaN. y may be x.
KERNEL void relu_forward(ACT* y, const ACT* x, int64_t n) KERNEL_BODY;

/// dx[n] = y[n] > 0 ? dy[n] : 0, with y what relu_forward gave. Assigned. dx may be dy.
KERNEL void relu_backward(ACT* dx, const ACT* dy, const ACT* y, int64_t n) KERNEL_BODY;

/// y[cols] = or += the sum over the rows of x[rows,cols] (the gradient of a bias), in an order fixed by rows
/// alone.
KERNEL void sum_rows(REAL* y, const ACT* x, int64_t rows, int64_t cols, Accumulate accumulate) KERNEL_BODY;

// ---- convolution

/// y = w * x (+ bias[out_channels]) (+ residual, shaped as y), then ReLU if `relu`. bias and residual may be
/// null. Each image's result has the same bits whatever the batch it stands in.
KERNEL void conv2d_forward(ACT* y, const ACT* x, const REAL* w, const REAL* bias, const ACT* residual,
                           bool relu, const Conv2dShape& shape) KERNEL_BODY;

/// prepared = w in the form that this backend's forward convolution reads, for images of the shape's size in
/// batches of any size: at most shape.prepared_bytes() bytes, aligned to 64, like prepared below.
KERNEL void conv2d_prepare(ACT* prepared, const REAL* w, const Conv2dShape& shape) KERNEL_BODY;

/// conv2d_forward, bit for bit, with weights that conv2d_prepare prepared: what is worth while where they are
/// used again and again on few images.
KERNEL void conv2d_forward_prepared(ACT* y, const ACT* x, const ACT* prepared, const REAL* bias,
                                    const ACT* residual, bool relu, const Conv2dShape& shape) KERNEL_BODY;

/// dx (shaped as x) = or += the gradient of sum(dy * conv2d(x, w)) by x.
KERNEL void conv2d_backward_data(ACT* dx, const ACT* dy, const REAL* w, Accumulate accumulate,
                                 const Conv2dShape& shape) KERNEL_BODY;

/// dw (shaped as w) = or += the gradient of sum(dy * conv2d(x, w)) by w.
KERNEL void conv2d_backward_weight(REAL* dw, const ACT* dy, const ACT* x, Accumulate accumulate,
                                   const Conv2dShape& shape) KERNEL_BODY;

/// y [shape.pooled()] = maxpool_forward with `relu` of conv2d_forward(x, w, bias); places (shaped as y) says
/// where in its window each maximum stood, row * 2 + column, or kNowhere where ReLU cut it. bias and places
/// may be null. between: room for shape.out_size() activations, the convolution's result; not used on the
/// CPU, which never makes it as a whole, and may be null there. In bfloat16 the places may be those of the
/// sums before they are rounded. y is at least 2x2 pixels before the pool.
KERNEL void conv2d_relu_maxpool_forward(ACT* y, uint8_t* places, ACT* between, const ACT* x, const REAL* w,
                                        const REAL* bias, const Conv2dShape& shape) KERNEL_BODY;

/// Its gradients: dx, dw and dbias[out_channels] = or += those of sum(dy * y) by x, w and bias, each of which
/// may be null. x is read for dw alone, w for dx alone.
KERNEL void conv2d_relu_maxpool_backward(ACT* dx, REAL* dw, REAL* dbias, ACT* between, const ACT* dy,
                                         const uint8_t* places, const ACT* x, const REAL* w,
                                         Accumulate accumulate_dx, Accumulate accumulate_dw,
                                         Accumulate accumulate_dbias, const Conv2dShape& shape) KERNEL_BODY;

// ---- batch normalisation
//
// x, y, dx, dy, residual and dresidual are [rows, channels] (rows = batch * height * width);
// all else is [channels].

/// Batch statistics, two-pass (never E[x^2] - E[x]^2): mean and biased variance over the rows;
/// y = weight * (x - mean) * inv_std + bias (+ residual), then ReLU if `relu`, with inv_std = 1 /
/// sqrt(variance + eps). saved_mean and saved_inv_std are assigned for the backward pass. running = (1 -
/// momentum) * running + momentum * batch statistic, with the unbiased variance (the biased one if rows = 1);
/// both running pointers may be null together. residual may be null. y may be x or residual.
KERNEL void batchnorm_forward_train(ACT* y, REAL* saved_mean, REAL* saved_inv_std, REAL* running_mean,
                                    REAL* running_var, const ACT* x, const REAL* weight, const REAL* bias,
                                    const ACT* residual, bool relu, double momentum, double eps, int64_t rows,
                                    int64_t channels) KERNEL_BODY;

/// The same with the running statistics in place of the batch's. y may be x or residual.
KERNEL void batchnorm_forward_eval(ACT* y, const ACT* x, const REAL* weight, const REAL* bias,
                                   const REAL* running_mean, const REAL* running_var, const ACT* residual,
                                   bool relu, double eps, int64_t rows, int64_t channels) KERNEL_BODY;

/// Gradients of batchnorm_forward_train. With g = dy where y > 0 (all of dy without `relu`): dx (assigned;
/// may be null, may be dy), dresidual = g (assigned; may be null, may be dy but not dx), dweight and dbias
/// (assigned or added to; null together when the affine parameters are frozen). y is the forward pass's
/// output, read only with `relu`, else may be null.
KERNEL void batchnorm_backward_train(ACT* dx, ACT* dresidual, REAL* dweight, REAL* dbias, const ACT* dy,
                                     const ACT* x, const ACT* y, const REAL* weight, const REAL* saved_mean,
                                     const REAL* saved_inv_std, bool relu, Accumulate accumulate,
                                     int64_t rows, int64_t channels) KERNEL_BODY;

/// Gradients of batchnorm_forward_eval, pointers as for batchnorm_backward_train. x is read only where
/// dweight is asked for, else may be null.
KERNEL void batchnorm_backward_eval(ACT* dx, ACT* dresidual, REAL* dweight, REAL* dbias, const ACT* dy,
                                    const ACT* x, const ACT* y, const REAL* weight, const REAL* running_mean,
                                    const REAL* running_var, double eps, bool relu, Accumulate accumulate,
                                    int64_t rows, int64_t channels) KERNEL_BODY;

// ---- pooling

/// y = the maximum of each window (the first one in row-major order on a tie, as PyTorch; NaN wins), and its
/// place in the plane of x, row * in_width + column, in index (shaped as y; may be null). With `relu` that is
/// y = max(maximum, 0), and where the maximum is 0 or less the place is -1: nowhere.
KERNEL void maxpool_forward(ACT* y, int32_t* index, const ACT* x, bool relu,
                            const Pool2dShape& shape) KERNEL_BODY;

/// dx (shaped as x, assigned) = dy gathered at the places in index, of which -1 is none.
KERNEL void maxpool_backward(ACT* dx, const ACT* dy, const int32_t* index,
                             const Pool2dShape& shape) KERNEL_BODY;

/// y[batch, channels] = the mean of x[batch, pixels, channels] over the pixels.
KERNEL void global_avgpool_forward(REAL* y, const ACT* x, int64_t batch, int64_t pixels,
                                   int64_t channels) KERNEL_BODY;

/// dx[batch, pixels, channels] (assigned) = dy[batch, channels] / pixels.
KERNEL void global_avgpool_backward(ACT* dx, const REAL* dy, int64_t batch, int64_t pixels,
                                    int64_t channels) KERNEL_BODY;
