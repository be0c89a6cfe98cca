#pragma once
// What the simulated device claims to be. It computes what a device of compute capability 8.0 would, and has
// the instructions of warpgroups of 9.0 and of tensor memory of 10.0 besides.

#include "kernels/simt/runtime_api.h"

namespace signet::simt {

constexpr int kMultiprocessors = 108;

/// SIGNET_SIMT_DEVICES, or what was set; 1 unless told. With 0 the runtime API answers as without a card.
int device_count();
void set_device_count(int count);

/// Remembers the error for cudaGetLastError, and returns it.
cudaError_t set_last_error(cudaError_t error);

}  // namespace signet::simt
