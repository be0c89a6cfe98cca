#pragma once
// What is derived from an op case alone. Each check returns an empty string or what is wrong.

#include <array>
#include <span>

#include "tests/kernels/op_run.h"

namespace signet::test {

/// A matrix product or a convolution.
bool is_product(const OpCase& op);

/// Whether a backend has something of its own to show with a case (Backend::differs_by_products,
/// OpCase::for_processors).
template <class real>
bool adds_to(const Backend<real>& backend, const OpCase& op) {
  return (!backend.differs_by_products || is_product(op)) && (backend.on_processor || !op.for_processors);
}

/// Whether something watches every access: AddressSanitizer, or the checker of the simulated device.
#if defined(__SANITIZE_ADDRESS__) || defined(SIGNET_CHECKED_DEVICE)
inline constexpr bool kWatched = true;
#else
inline constexpr bool kWatched = false;
#endif

/// Where arguments are put in turn. Who watches sees in blocks of exactly the size what the guards around
/// aligned ones would show.
inline constexpr std::array kAllPlacements{Placement::exact, Placement::misaligned, Placement::aligned};
inline constexpr std::span kPlacements = std::span(kAllPlacements).first(kWatched ? 2 : 3);

/// What a kernel in float must give: the results of ref::<double>, with a tolerance for each argument, and
/// those of the reference in the kernel's own type, for the cases that are exact.
struct Expected {
  std::vector<std::vector<double>> values, rounded_values;
  std::vector<std::vector<std::byte>> raw;
  std::vector<double> tolerance;
  std::vector<double> input_rounding;  ///< what one rounding of every input may do to the output
};

/// The tolerance of an output is (4 + 2 sqrt(terms)) * (u * max |output| + movement), with u = 2^-24 float's
/// unit roundoff and movement the most that the output moves when every input moves by one rounding, up or
/// down at random: what a backward stable kernel may be off by. The square root is how the roundings of a sum
/// grow, in whatever order it is taken, when they are independent (Higham and Mary, "A new approach to
/// probabilistic rounding error analysis", SIAM Journal on Scientific Computing 41, 2019).
Expected expect(const OpCase& op);
/// For a case of activations in bfloat16 (with_bf16_inputs).
Expected expect_bf16(const OpCase& op);

/// The tolerance of one argument on a backend. Where it rounds the operands of products to fewer bits, to
/// nearest with unit roundoff U, 2 U / u * (u * max |output| + movement) is added: twice, because a single
/// product of two operands that are both rounded at their worst is off by 2 U |a b|. Of long sums `movement`
/// knows how the roundings, each at most U, add up at random. kernels/cuda/mma_tile.cuh has the bound for
/// all of them at their worst, (2 U + U^2) sum |a| |b|, which is too wide there to notice a missing addend.
/// Sums of whole numbers stay exact.
double tolerance_of(const OpCase& op, const Expected& expected, size_t arg, const Backend<float>& backend);

/// The same where activations are bfloat16, with unit roundoff U = 2^-8, and so are the operands of products.
/// To the tolerance of float one rounding of an activation is added, U max |output|, and to products what is
/// said above of rounded operands: by Winograd's algorithm these are the transformed ones, whose rounding
/// comes out about 2.5 times larger.
double tolerance_of(const OpCase& op, const Expected& expected, size_t arg, const Backend<BFloat16>& backend);

/// Values, guards, inputs and poison of one call; float or BFloat16.
template <class real>
std::string parity_failure(const OpCase& op, const Expected& expected, const Backend<real>& backend,
                           Placement placement, std::optional<std::pair<int, int>> alias = std::nullopt);

/// Every output as bytes, after one call; float or BFloat16.
template <class real>
std::vector<std::vector<std::byte>> output_bytes(const OpCase& op, const Backend<real>& backend);

/// The backward kernel of ref::<double> against derivatives of the forward kernel, taken by complex step in
/// random directions.
std::string gradient_failure(const Gradient& gradient);

}  // namespace signet::test
