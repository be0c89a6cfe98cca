#pragma once
// One op case in the memory of one backend: arguments between guard words, outputs poisoned.

#include <algorithm>
#include <optional>
#include <utility>

#include "tests/kernels/op_case.h"

namespace signet::test {

enum class Placement {
  aligned,     // to 64 bytes, between guards
  misaligned,  // to one element only, between guards
  exact,       // a block of exactly the size, for AddressSanitizer to watch
};

/// Guards and poison are bytes of ones: NaN in every floating-point type, -1 or 255 in the others. A kernel
/// that reads beyond an argument or before it writes gives itself away in the result.
constexpr std::byte kPoison{0xFF};

/// With BFloat16 the activations are of this type and all else is float.
template <class real>
class Prepared {
 public:
  /// `alias` = (output, input) puts both in one buffer. The backend outlives this.
  Prepared(const OpCase& op, const Backend<real>& backend, Placement placement,
           std::optional<std::pair<int, int>> alias = std::nullopt)
      : op_(op), backend_(backend), alias_(alias) {
    for (size_t i = 0; i < op.args.size(); ++i) place(op.args[i], placement);
    if (alias_) pointers_[size_t(alias_->first)] = pointers_[size_t(alias_->second)];
  }

  ~Prepared() {
    for (const Block& block : blocks_) backend_.release(block.start);
  }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  void call() {
    if (backend_.activate) backend_.activate();
    op_.call(backend_.kernels, pointers_);
  }

  std::vector<std::byte> bytes(int arg) const {
    std::vector<std::byte> result(blocks_[size_t(arg)].contents.size());
    backend_.download(result.data(), pointers_[size_t(arg)].address, result.size());
    return result;
  }

  /// The real parts.
  std::vector<double> values(int arg) const { return parts(arg, false); }
  /// The imaginary parts, of a complex backend.
  std::vector<double> imaginary_parts(int arg) const { return parts(arg, true); }

  /// Overwrites a real argument, real and imaginary parts.
  void write(int arg, const std::vector<double>& re, const std::vector<double>& im) {
    std::vector<real> data(re.size());
    for (size_t i = 0; i < re.size(); ++i) data[i] = real(re[i], im[i]);
    backend_.upload(pointers_[size_t(arg)].address, data.data(), data.size() * sizeof(real));
  }

  /// Empty if the kernel kept to its arguments, else what it damaged.
  std::string damage() const {
    for (size_t i = 0; i < blocks_.size(); ++i) {
      const Block& block = blocks_[i];
      if (!block.start) continue;
      const Arg& arg = op_.args[i];
      std::vector<std::byte> now(block.size);
      backend_.download(now.data(), block.start, now.size());
      const auto begin = now.begin() + std::ptrdiff_t(block.offset);
      const auto end = begin + std::ptrdiff_t(block.contents.size());
      for (const auto& [from, to] : {std::pair(now.begin(), begin), std::pair(end, now.end())}) {
        const auto written = std::find_if(from, to, [](std::byte value) { return value != kPoison; });
        if (written != to)
          return op_.label() + ": wrote outside " + arg.name + ", at byte " + std::to_string(written - begin);
      }
      const bool constant = arg.role == Role::input && !(alias_ && alias_->second == int(i));
      if (constant && !std::equal(begin, end, block.contents.begin()))
        return op_.label() + ": changed its input " + arg.name;
    }
    return {};
  }

 private:
  struct Block {
    std::byte* start = nullptr;
    size_t size = 0, offset = 0;
    std::vector<std::byte> contents;
  };

  static constexpr size_t kGuard = 256;

  void place(const Arg& arg, Placement placement) {
    Block block;
    if (arg.role == Role::absent) {
      blocks_.push_back(block);
      pointers_.push_back({});
      return;
    }
    block.contents = contents(arg);
    block.size = block.contents.size();
    size_t shift = 0;
    if (arg.role == Role::workspace) placement = Placement::aligned;
    if (placement != Placement::exact) {
      shift = placement == Placement::misaligned ? (arg.is_raw ? arg.raw_alignment : element_size(arg)) : 0;
      block.size += 3 * kGuard;
    }
    block.start = static_cast<std::byte*>(backend_.allocate(block.size));
    if (placement != Placement::exact)
      block.offset = kGuard + (64 - (reinterpret_cast<uintptr_t>(block.start) + kGuard) % 64) % 64 + shift;
    std::vector<std::byte> image(block.size, kPoison);
    std::copy(block.contents.begin(), block.contents.end(), image.begin() + std::ptrdiff_t(block.offset));
    backend_.upload(block.start, image.data(), image.size());
    pointers_.push_back({block.start + block.offset});
    blocks_.push_back(std::move(block));
  }

  std::vector<std::byte> contents(const Arg& arg) const {
    if (arg.is_raw) {
      return arg.role == Role::output ? std::vector<std::byte>(arg.raw.size(), kPoison) : arg.raw;
    }
    std::vector<std::byte> result(arg.values.size() * element_size(arg), kPoison);
    if (arg.role == Role::output || arg.role == Role::workspace) return result;
    const bool narrow = is_narrow(arg);
    for (size_t i = 0; i < arg.values.size(); ++i) {
      const auto put = [&](auto value) {
        std::memcpy(result.data() + i * sizeof value, &value, sizeof value);
      };
      if (narrow) {
        put(BFloat16(float(arg.values[i])));
      } else {
        put(Real<real>(arg.values[i]));
      }
    }
    return result;
  }

  std::vector<double> parts(int arg, bool imaginary) const {
    const std::vector<std::byte> data = bytes(arg);
    const bool narrow = is_narrow(op_.args[size_t(arg)]);
    std::vector<double> result(data.size() / element_size(op_.args[size_t(arg)]));
    const auto get = [&](auto value, size_t i) {
      std::memcpy(&value, data.data() + i * sizeof value, sizeof value);
      return value;
    };
    for (size_t i = 0; i < result.size(); ++i) {
      if (narrow) {
        result[i] = float(get(BFloat16(), i));
      } else {
        const Real<real> value = get(Real<real>(), i);
        result[i] = imaginary ? std::imag(value) : std::real(value);
      }
    }
    return result;
  }

  bool is_narrow(const Arg& arg) const { return std::is_same_v<real, BFloat16> && is_activation(op_, arg); }
  size_t element_size(const Arg& arg) const { return is_narrow(arg) ? sizeof(BFloat16) : sizeof(Real<real>); }

  const OpCase& op_;
  const Backend<real>& backend_;
  std::optional<std::pair<int, int>> alias_;
  std::vector<Block> blocks_;
  std::vector<AnyPointer> pointers_;
};

/// The values of what a call wrote, by argument; nothing for raw ones.
template <class real>
std::vector<std::vector<double>> written_values(const OpCase& op, const Prepared<real>& called) {
  std::vector<std::vector<double>> values(op.args.size());
  for (size_t i = 0; i < op.args.size(); ++i)
    if (op.args[i].is_written() && !op.args[i].is_raw) values[i] = called.values(int(i));
  return values;
}

/// Every real output after one call, argument by argument.
template <class real>
std::vector<std::vector<double>> run(const OpCase& op, const Backend<real>& backend) {
  Prepared<real> prepared(op, backend, Placement::exact);
  prepared.call();
  return written_values(op, prepared);
}

}  // namespace signet::test
