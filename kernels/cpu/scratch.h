#pragma once
// Working memory of the CPU kernels: a few buffers a thread, each grown to the largest request so far and
// kept, so that a training step allocates nothing after the first.

#include <cstdint>

namespace signet::cpu {

/// What a buffer is for; two uses that live at the same time on one thread need different slots.
enum class Scratch { weights, partials, left, right, tile, row, widened, between, count };

/// At least `count` floats, aligned to 64 bytes, contents unspecified; valid until this thread's next request
/// for the same slot. Throws std::bad_alloc.
float* scratch(Scratch slot, int64_t count);

/// Bytes held by all threads together.
int64_t scratch_bytes();

}  // namespace signet::cpu
