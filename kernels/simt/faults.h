#pragma once
// What the simulated device finds wrong with a kernel, and how it says so.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace signet::simt {

enum class Fault : uint8_t {
  launch,              ///< a launch that a device would refuse
  barrier,             ///< __syncthreads that not every thread of the block reaches, or not the same one
  warp,                ///< a warp operation whose mask and lanes do not agree
  out_of_bounds,       ///< an access outside every allocation or shared variable, or to freed memory
  misaligned,          ///< an address that is no multiple of the access's size
  unwritten,           ///< a read of memory that nothing has written
  shared_race,         ///< two threads of a block touch shared memory, one writing, with no barrier between
  global_race,         ///< two threads of a launch touch global memory, one writing, with nothing between
  unfinished_copy,     ///< an access to the destination of a cp.async before it has been waited for
  unfinished_product,  ///< an access to the sums or matrices of a wgmma or tcgen05.mma that is not waited for
  unfenced_product,    ///< one that no fence orders after writes to its matrices or use of its sums
  tensor_memory,       ///< tensor memory that is not allocated as it must be, or not given back
  unmodelled,          ///< something that a device may do and the simulated one does not
  stopped,             ///< __trap or a failed assertion
  api,                 ///< a wrong call of the runtime: a double free, say
};

/// The name that reports print, e.g. "shared-memory race".
const char* fault_name(Fault fault);

struct Place {
  std::string file;  ///< empty if unknown
  int line = 0;
};

/// A place known while compiling, cheap to pass along.
struct Site {
  const char* file = nullptr;
  int line = 0;

  operator Place() const { return {file ? file : "", line}; }
};

struct Report {
  Fault kind = Fault::launch;
  std::string kernel;  ///< demangled
  unsigned block[3] = {0, 0, 0}, thread[3] = {0, 0, 0};
  Place place;
  std::string detail;

  std::string text() const;
};

/// Thrown by launch() after a kernel that did something wrong has been stopped.
class KernelError : public std::runtime_error {
 public:
  explicit KernelError(Report found) : std::runtime_error(found.text()), report(std::move(found)) {}
  Report report;
};

}  // namespace signet::simt
