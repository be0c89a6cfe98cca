#pragma once
// Waits that are left out on purpose: a test of the checker, and of the kernels, in which no wait may be
// without use.
// __syncthreads, __syncwarp, cp_async_wait, and the fences and waits of wgmma and tensor memory know the line
// that they stand in; one line at a time can be told to do nothing, as if it were not written.

#include <set>
#include <string>
#include <utility>

#include "kernels/simt/faults.h"

namespace signet::simt {

/// The name of a file without its folders, and a line. Files of kernels have names of their own.
using WaitPlace = std::pair<std::string, int>;

void leave_out(const WaitPlace& place);
void leave_out_nothing();

/// Between the two, the places of all waits that threads come to are recorded.
void start_recording_waits();
std::set<WaitPlace> stop_recording_waits();

/// Called by each wait: whether it is left out.
bool is_left_out(Site site);

}  // namespace signet::simt
