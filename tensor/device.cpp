#include "tensor/device.h"

#include "tensor/error.h"

namespace signet {

const char* name_of(DType dtype) {
  switch (dtype) {
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

Device Device::parse(std::string_view text) {
  if (text == "cpu" || text == "auto") return {};
  if (text == "reference") return {Type::reference, 0};
  if (text.starts_with("cuda")) {
    fail("--device {}: this program has CPU kernels only; use --device cpu", text);
  }
  fail("--device {}: unknown device; use cpu or reference", text);
}

}  // namespace signet
