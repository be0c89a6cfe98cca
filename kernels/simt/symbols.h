#pragma once
// What the program's own symbol table says: the names of kernels, and where each __shared__ variable lies in
// the thread-local block of a host thread.

#include <cstddef>
#include <string>
#include <vector>

#include "kernels/simt/faults.h"

namespace signet::simt {

struct SharedVariable {
  std::string name;   ///< demangled, e.g. "signet::cuda::gemm(float*)::tile"
  std::string owner;  ///< the function's symbol
  size_t offset = 0;  ///< from thread_local_base()
  size_t bytes = 0;
};

/// The first byte of the calling thread's thread-local variables.
char* thread_local_base();
/// The size of that block.
size_t thread_local_bytes();

/// The demangled name of the function at an address, or its address if it has none.
std::string function_name(const void* function);

/// The __shared__ variables of one kernel (without those of functions that it calls).
std::vector<SharedVariable> shared_variables_of(const void* kernel);
/// Those of all checked kernels and device functions, by offset. Between any two of them, unless one
/// declaration declares both, lies a gap (see simt.h).
const std::vector<SharedVariable>& checked_shared_variables();

/// Whether an address lies in the program's own static data or code.
bool in_program_image(const void* address);

/// The source lines of return addresses (as __builtin_return_address gives): of the innermost inlined
/// function outside kernels/simt. Asks addr2line, all addresses in one go. Unknown ones stay empty.
struct SourceLine {
  Place place;
  std::string function;
};
std::vector<SourceLine> source_lines(const std::vector<const void*>& return_addresses);

}  // namespace signet::simt
