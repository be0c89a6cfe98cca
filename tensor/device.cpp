#include "tensor/device.h"

#include <charconv>

#include "kernels/cuda/runtime.h"
#include "tensor/error.h"

namespace signet {

const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return "bf16";
    case DType::f32:
      return "f32";
    case DType::i32:
      return "i32";
    case DType::u8:
      return "u8";
  }
  return "?";
}

std::string Device::to_string() const {
  switch (type) {
    case Type::cpu:
      return "cpu";
    case Type::reference:
      return "reference";
    case Type::cuda:
      return fmt::format("cuda:{}", index);
  }
  return "?";
}

std::string Device::description() const {
  return on_host() ? to_string() : fmt::format("{} ({})", to_string(), cuda::device_properties(index).name);
}

namespace {

[[noreturn]] void fail_unknown(std::string_view text) {
  fail("--device {}: unknown device; use auto, cpu, cuda, cuda:N or reference", text);
}

Device parse_cuda(std::string_view text) {
  std::string_view number = text.substr(4);
  int index = 0;
  if (!number.empty()) {
    if (!number.starts_with(':')) fail_unknown(text);
    number.remove_prefix(1);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), index);
    if (number.empty() || error != std::errc() || end != number.data() + number.size() || index < 0) {
      fail_unknown(text);
    }
  }
  const int count = cuda::device_count();
  if (count == 0) fail("--device {}: {}", text, cuda::unavailable_reason());
  if (index >= count) {
    fail("--device {}: there {} only; use --device cuda:{}", text,
         count == 1 ? "is 1 CUDA device" : fmt::format("are {} CUDA devices", count), count - 1);
  }
  return {Device::Type::cuda, index};
}

Device best() {
  if (cuda::device_count() == 0 || cuda::device_properties(0).simulated) return {};
  return {Device::Type::cuda, 0};
}

}  // namespace

Device Device::parse(std::string_view text) {
  if (text == "cpu") return {};
  if (text == "auto") return best();
  if (text == "reference") return {Type::reference, 0};
  if (text.starts_with("cuda")) return parse_cuda(text);
  fail_unknown(text);
}

}  // namespace signet
