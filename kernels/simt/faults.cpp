#include "kernels/simt/faults.h"

namespace signet::simt {

const char* fault_name(Fault fault) {
  switch (fault) {
    case Fault::launch:
      return "refused launch";
    case Fault::barrier:
      return "barrier divergence";
    case Fault::warp:
      return "wrong warp operation";
    case Fault::out_of_bounds:
      return "access out of bounds";
    case Fault::misaligned:
      return "misaligned access";
    case Fault::unwritten:
      return "read of unwritten memory";
    case Fault::shared_race:
      return "shared-memory race";
    case Fault::global_race:
      return "global-memory race";
    case Fault::unfinished_copy:
      return "access to an unfinished cp.async";
    case Fault::unfinished_product:
      return "access to an unfinished product";
    case Fault::unfenced_product:
      return "product without a fence";
    case Fault::tensor_memory:
      return "wrong use of tensor memory";
    case Fault::unmodelled:
      return "beyond the simulated device";
    case Fault::stopped:
      return "stopped by the kernel";
    case Fault::api:
      return "wrong call of the runtime";
  }
  return "fault";
}

std::string Report::text() const {
  const auto triple = [](const unsigned(&v)[3]) {
    std::string text = "(";
    for (int i = 0; i < 3; ++i) text.append(i > 0 ? ", " : "").append(std::to_string(v[i]));
    return text.append(")");
  };
  std::string text = std::string("[simulated device] ") + fault_name(kind);
  if (!kernel.empty()) text += " in " + kernel;
  if (kind != Fault::launch && kind != Fault::api)
    text += ", block " + triple(block) + ", thread " + triple(thread);
  if (!place.file.empty()) text += ", " + place.file + ":" + std::to_string(place.line);
  return text + ": " + detail;
}

}  // namespace signet::simt
