#include "tests/kernels/op_case.h"

#include <fstream>
#include <limits>
#include <map>
#include <regex>
#include <set>

#include "tests/kernels/op_run.h"

namespace signet::test {

Arg input(std::string name, std::vector<double> values) {
  return {.name = std::move(name), .role = Role::input, .values = std::move(values)};
}

Arg in_out(std::string name, std::vector<double> values) {
  return {.name = std::move(name), .role = Role::in_out, .values = std::move(values)};
}

Arg output(std::string name, int64_t size) {
  return {.name = std::move(name),
          .role = Role::output,
          .values = std::vector<double>(size_t(size), std::numeric_limits<double>::quiet_NaN())};
}

Arg workspace(std::string name, int64_t size) {
  return {.name = std::move(name), .role = Role::workspace, .values = std::vector<double>(size_t(size))};
}

Arg absent(std::string name) {
  return {.name = std::move(name)};
}

OpCase linked_backward(const Gradient& gradient, bool rounded) {
  OpCase backward = gradient.backward;
  if (gradient.saved.empty()) return backward;
  const Backend<double> reference = reference_backend<double>();
  Prepared<double> forward(gradient.forward, reference, Placement::aligned);
  forward.call();
  for (const auto& [from, to] : gradient.saved) {
    Arg& saved = backward.args[size_t(to)];
    if (saved.role == Role::absent) continue;
    if (saved.is_raw) {
      saved.raw = forward.bytes(from);
    } else {
      saved.values = forward.values(from);
      for (double& value : saved.values) value = rounded ? float(value) : value;
    }
  }
  return backward;
}

namespace {

/// The names of the activations among the parameters of each kernel.
const std::map<std::string, std::set<std::string>>& activations() {
  static const auto kernels = [] {
    std::map<std::string, std::set<std::string>> map;
    std::ifstream file(SIGNET_SOURCE_DIR "/kernels/activations.h");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::regex declaration(R"(\nKERNEL void (\w+)\(([^)]*)\))"), parameter(R"(ACT\* (\w+))");
    for (std::sregex_iterator kernel(text.begin(), text.end(), declaration), end; kernel != end; ++kernel) {
      const std::string parameters = kernel->str(2);
      auto& names = map[kernel->str(1)];
      for (std::sregex_iterator p(parameters.begin(), parameters.end(), parameter); p != end; ++p)
        names.insert(p->str(1));
    }
    // Its cases prepare weights and then use them.
    map.at("conv2d_prepare") = map.at("conv2d_forward_prepared");
    return map;
  }();
  return kernels;
}

}  // namespace

bool takes_activations(const OpCase& op) {
  return activations().contains(op.kernel);
}

bool is_activation(const OpCase& op, const Arg& arg) {
  return takes_activations(op) && activations().at(op.kernel).contains(arg.name);
}

OpCase with_bf16_inputs(OpCase op) {
  for (Arg& arg : op.args) {
    if (!is_activation(op, arg)) continue;
    for (double& value : arg.values) value = BFloat16(float(value));
  }
  return op;
}

Data::Data(const std::string& label) : state_(14695981039346656037u) {
  for (const char c : label) state_ = (state_ ^ uint64_t(static_cast<unsigned char>(c))) * 1099511628211u;
}

// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): the
// tests of Philox must not rest on Philox.
uint64_t Data::bits() {
  uint64_t z = state_ += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

std::vector<double> Data::uniform(int64_t n, double low, double high) {
  std::vector<double> values(static_cast<size_t>(n));
  for (double& value : values) value = float(low + (high - low) * double(bits() >> 40) * 0x1p-24);
  return values;
}

std::vector<double> Data::whole(int64_t n, int low, int high) {
  std::vector<double> values(static_cast<size_t>(n));
  for (double& value : values) value = double(low + int(bits() >> 33) % (high - low + 1));
  return values;
}

std::vector<int32_t> Data::labels(int64_t n, int64_t classes) {
  std::vector<int32_t> labels(static_cast<size_t>(n));
  for (int32_t& label : labels) label = int32_t((bits() >> 33) % uint64_t(classes));
  return labels;
}

}  // namespace signet::test
