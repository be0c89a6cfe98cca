// Convolutions of activations that are kept in bfloat16, as training with --precision bf16 keeps them: once
// as they ship, and once by each tile, warps beside warpgroups and tensor memory, so that a card says which
// is best where.

#include <memory>

#include "bench/gpu/contenders.h"

namespace signet::bench {
namespace {

using cuda::TileChoice;

struct NamedTile {
  TileChoice tile;
  const char* name;
};
constexpr NamedTile kTiles[] = {
    {TileChoice::automatic, "as it ships"},
    {TileChoice::small, "warps 64x64"},
    {TileChoice::narrow, "warps 128x64"},
    {TileChoice::large, "warps 128x128"},
    {TileChoice::warpgroup_small, "warpgroups 64x64"},
    {TileChoice::warpgroup_narrow, "warpgroups 128x64"},
    {TileChoice::warpgroup_large, "warpgroups 128x128"},
    {TileChoice::tensor_memory_small, "tensor memory 64x64"},
    {TileChoice::tensor_memory_narrow, "tensor memory 128x64"},
    {TileChoice::tensor_memory_large, "tensor memory 128x128"},
};

/// A problem's activations in memory of their own, rounded; weights and bias stay where they are.
class Rounded {
 public:
  Rounded(const Problem& problem, const Buffers& buffers) : problem_(problem), buffers_(buffers) {
    const BufferSizes sizes = buffer_sizes(problem);
    const bool gradient_of_weights = problem.operation == Operation::conv_backward_weight;
    first_ = copy(buffers.in[0], sizes.in[0]);
    if (gradient_of_weights) second_ = copy(buffers.in[1], sizes.in[1]);
    if (problem.operation == Operation::conv_inference) second_ = copy(buffers.in[3], sizes.in[3]);
    if (!gradient_of_weights) out_ = allocate(out_size_ = sizes.out[0]);
    for (const int64_t size : sizes.in) bytes_ += 4 * double(size);
    for (const int64_t size : sizes.out) bytes_ += 4 * double(size);
    bytes_ -= 2 * double(rounded_ + out_size_);
  }

  void run(TileChoice tile) const {
    cuda::set_matrix_math(MatrixMath::bf16);
    cuda::set_tile_choice(tile);
    const float* w = buffers_.in[1];
    switch (problem_.operation) {
      case Operation::conv_forward:
        cuda::conv2d_forward<BFloat16>(out_.get(), first_.get(), w, nullptr, nullptr, false, problem_.conv);
        break;
      case Operation::conv_inference:
        cuda::conv2d_forward<BFloat16>(out_.get(), first_.get(), w, buffers_.in[2], second_.get(), true,
                                       problem_.conv);
        break;
      case Operation::conv_backward_data:
        cuda::conv2d_backward_data<BFloat16>(out_.get(), first_.get(), w, Accumulate::no, problem_.conv);
        break;
      default:
        cuda::conv2d_backward_weight<BFloat16>(buffers_.out[0], first_.get(), second_.get(), Accumulate::no,
                                               problem_.conv);
    }
    cuda::set_tile_choice(TileChoice::automatic);
  }

  /// Widens the outputs into the problem's.
  void publish() const {
    if (out_) cuda::from_bf16(buffers_.out[0], out_.get(), out_size_);
  }

  double bytes() const { return bytes_; }

 private:
  using Memory = std::shared_ptr<BFloat16>;

  static Memory allocate(int64_t size) {
    return {static_cast<BFloat16*>(cuda::allocate(size * int64_t(sizeof(BFloat16)))),
            [](BFloat16* memory) { cuda::release(memory); }};
  }
  Memory copy(const float* from, int64_t size) {
    Memory memory = allocate(size);
    cuda::to_bf16(memory.get(), from, size);
    rounded_ += size;
    return memory;
  }

  Problem problem_;
  Buffers buffers_;
  Memory first_, second_, out_;
  int64_t rounded_ = 0, out_size_ = 0;
  double bytes_ = 0;
};

Prepared prepare(const Problem& problem, const Buffers& buffers, TileChoice tile) {
  if (tile >= TileChoice::tensor_memory_small) {
    if (!cuda::has_tensor_memory())
      return {.refusal = "The device has no tensor memory (compute capability 10.0)."};
  } else if (tile >= TileChoice::warpgroup_small && !cuda::has_warpgroups()) {
    return {.refusal = "The device has no instructions of warpgroups (compute capability 9.0)."};
  }
  const auto rounded = std::make_shared<const Rounded>(problem, buffers);
  return {.run = [=] { rounded->run(tile); },
          .publish = [=] { rounded->publish(); },
          .bytes = rounded->bytes(),
          .notes = "activations stored as bf16"};
}

}  // namespace

std::vector<Contender> stored_bf16_contenders(const Problem& problem) {
  std::vector<Contender> contenders;
  const bool is_conv = problem.operation == Operation::conv_forward ||
                       problem.operation == Operation::conv_inference ||
                       problem.operation == Operation::conv_backward_data ||
                       problem.operation == Operation::conv_backward_weight;
  if (!is_conv) return contenders;
  // Other channels are widened, and multiplied as floats: no tile below has a part in that.
  const bool has_tiles = problem.conv.in_channels % 8 == 0 && problem.conv.out_channels % 8 == 0;
  for (const NamedTile& named : kTiles) {
    if (named.tile != TileChoice::automatic && !has_tiles) continue;
    contenders.push_back(
        {.name = std::string("cuda::") + kernel_of(problem.operation) + ", bf16 stored, " + named.name,
         .math = MatrixMath::bf16,
         .prepare = [tile = named.tile](const Problem& p, const Buffers& b) { return prepare(p, b, tile); }});
  }
  return contenders;
}

}  // namespace signet::bench
