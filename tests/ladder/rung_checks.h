#pragma once
// A rung as an op case: the reference and the tolerance come from the function of functions.h that the rung
// computes, the call from the rung.

#include <doctest/doctest.h>

#include "kernels/cuda/runtime.h"
#include "kernels/ladder/ladder.h"
#include "tests/kernels/op_checks.h"

namespace signet::test {

/// A check by a call of the reference; `call` says how the rung is called on the same arguments.
struct RungCase {
  OpCase reference;
  std::function<void(Pointers)> call;
};

/// The simulated or real device, as a backend that rounds operands as the rung does.
inline const Backend<float>& device_for(cuda::ladder::Operands operands) {
  static const std::vector<Backend<float>> backends = cuda_backends();
  REQUIRE(backends.size() == 3);  // f32, TF32, bf16
  return backends[size_t(operands)];
}

inline OpCase as_op_case(const RungCase& c, const std::string& rung) {
  OpCase op = c.reference;
  op.options = rung + " " + op.options;  // op.kernel tells whether operands are rounded
  op.call.in_float = [call = c.call](const Kernels<float>&, Pointers p) { call(p); };
  return op;
}

/// Outputs in blocks of exactly their size, and, unless the checker watches, between guards; both aligned, as
/// rungs ask.
inline void check_rung(const RungCase& c, const std::string& rung, cuda::ladder::Operands operands) {
  const Expected expected = expect(c.reference);
  const OpCase op = as_op_case(c, rung);
  for (const Placement placement : {Placement::exact, Placement::aligned}) {
    if (kWatched && placement == Placement::aligned) continue;
    const std::string failure = parity_failure(op, expected, device_for(operands), placement);
    CHECK_MESSAGE(failure.empty(), failure);
  }
}

/// A refusal is a sentence.
inline bool is_sentence(const std::string& text) {
  return text.size() > 15 && std::isupper(static_cast<unsigned char>(text.front())) && text.back() == '.';
}

}  // namespace signet::test
