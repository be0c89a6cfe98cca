#pragma once
// Streams of the simulated device: what one is given is done at once, or recorded while it is captured. For
// tests of programs with several streams it can also be put off, as on a real device.

#include <cstdint>
#include <functional>

#include "kernels/simt/runtime_api.h"

namespace signet::simt {

void enqueue(cudaStream_t stream, std::function<void()> work);

/// From here on a stream does what it is given at some later time, drawn by a seed that is not 0: now and
/// then a little of it at once, the rest only when somebody waits for it. What two streams do is ordered by
/// events alone, and a program that forgot one soon reads what is not there yet, or no longer. With 0 streams
/// do everything at once again. For programs that give the device work from one thread.
void set_stream_delays(uint64_t seed);
bool streams_are_delayed();
/// Does what any stream has put off.
void finish_streams();

}  // namespace signet::simt
