#pragma once
// An op case is one call of one kernel: its arguments with their data, and how to call it on any backend in
// any scalar. What is checked about it (op_checks.h) is derived from that alone.

#include <complex>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/kernels/backend.h"

namespace signet::test {

/// A pointer argument, as whatever the kernel's declaration asks for.
struct AnyPointer {
  void* address = nullptr;
  template <class T>
  operator T*() const {
    return static_cast<T*>(address);
  }
};
using Pointers = std::span<const AnyPointer>;

/// A generic lambda (const Kernels<real>&, Pointers), kept for all scalars.
struct Call {
  std::function<void(const Kernels<float>&, Pointers)> in_float;
  std::function<void(const Kernels<double>&, Pointers)> in_double;
  std::function<void(const Kernels<std::complex<double>>&, Pointers)> in_complex;
  std::function<void(const Kernels<BFloat16>&, Pointers)> in_bf16;

  Call() = default;
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, Call>) Call(F f)
      : in_float(f), in_double(f), in_complex(f), in_bf16(f) {}

  void operator()(const Kernels<float>& k, Pointers p) const { in_float(k, p); }
  void operator()(const Kernels<double>& k, Pointers p) const { in_double(k, p); }
  void operator()(const Kernels<std::complex<double>>& k, Pointers p) const { in_complex(k, p); }
  void operator()(const Kernels<BFloat16>& k, Pointers p) const { in_bf16(k, p); }
};

enum class Role {
  input,      // must be left as it was
  output,     // poisoned before the call
  in_out,     // accumulated into, or updated
  workspace,  // poisoned before the call, afterwards what the backend likes; always aligned to 64 bytes
  absent,     // a null pointer
};

/// One pointer argument. Its data are either reals (`values`) or bytes (`raw`).
struct Arg {
  std::string name;
  Role role = Role::absent;
  bool is_raw = false;
  std::vector<double> values = {};
  std::vector<std::byte> raw = {};
  size_t raw_alignment = 1;

  bool is_written() const { return role == Role::output || role == Role::in_out; }
};

Arg input(std::string name, std::vector<double> values);
Arg in_out(std::string name, std::vector<double> values);
Arg output(std::string name, int64_t size);
Arg workspace(std::string name, int64_t size);
Arg absent(std::string name);

template <class T>
Arg raw(std::string name, Role role, const std::vector<T>& data) {
  Arg arg{.name = std::move(name), .role = role, .is_raw = true, .raw_alignment = alignof(T)};
  arg.raw.resize(data.size() * sizeof(T));
  if (!data.empty()) std::memcpy(arg.raw.data(), data.data(), arg.raw.size());
  return arg;
}

/// The arguments stand in the order of the declaration.
struct OpCase {
  std::string kernel = {};
  std::string options = {};
  std::vector<Arg> args = {};
  Call call = {};
  /// How many numbers are added up into one output: tolerances grow with its square root.
  double terms = 1;
  /// Every backend must give the values of ref::<float>: nothing is rounded, or every rounding is prescribed.
  bool exact = false;
  /// (output, input) arguments that may be one buffer.
  std::vector<std::pair<int, int>> may_alias = {};
  /// A size at which the kernels of processors change their way, and those of devices do not.
  bool for_processors = false;
  /// For a bench row: floating-point operations in a call, if arithmetic is the limit.
  double flops = 0;

  std::string label() const { return kernel + " " + options; }
};

/// A backward kernel beside its forward kernel. The backward case computes, for the cotangent that it holds,
/// the gradients of sum(cotangent * output).
struct Gradient {
  OpCase forward = {}, backward = {};
  int output = 0;                                   // of forward: what the cotangent belongs to
  int cotangent = 0;                                // of backward
  std::vector<std::pair<int, int>> saved = {};      // what forward wrote -> input of backward
  std::vector<std::pair<int, int>> gradients = {};  // input of forward -> its gradient in backward
};

struct Suite {
  std::vector<OpCase> cases;
  std::vector<Gradient> gradients;
};

/// The backward case with what the forward pass of ref::<double> saves filled in, rounded to float or not.
OpCase linked_backward(const Gradient& gradient, bool rounded = true);

/// Whether kernels/activations.h declares the kernel, and its parameter of that name as an activation: read
/// from the file itself.
bool takes_activations(const OpCase& op);
bool is_activation(const OpCase& op, const Arg& arg);

/// The case with its activations rounded to bfloat16.
OpCase with_bf16_inputs(OpCase op);

/// Reproducible test data; every value is exact in float.
class Data {
 public:
  explicit Data(const std::string& label);

  uint64_t bits();
  /// In [low, high).
  std::vector<double> uniform(int64_t n, double low = -1, double high = 1);
  /// Whole numbers in [low, high].
  std::vector<double> whole(int64_t n, int low = -4, int high = 4);
  /// `classes` numbers from 0, none of them favoured.
  std::vector<int32_t> labels(int64_t n, int64_t classes);

 private:
  uint64_t state_;
};

}  // namespace signet::test
