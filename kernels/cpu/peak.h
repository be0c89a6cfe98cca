#pragma once
// What the processor can do at best, against which kernels are measured.

#include <cstdint>

namespace signet::cpu {

/// Multiplies and adds floats in registers, `steps` times over, on the calling thread, with the widest
/// vectors of the processor. Returns the floating-point operations done: two a multiply-add.
int64_t multiply_and_add(int64_t steps);

/// The same in pairs of bfloat16, by the matrix unit where there is one, else four operations a lane; where
/// the processor does not multiply pairs, in float, as the kernels do.
int64_t multiply_and_add_bf16(int64_t steps);

}  // namespace signet::cpu
