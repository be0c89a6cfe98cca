#pragma once
// Convolutions of colour images. Three channels are 12 bytes, and cp.async and the packed stores want 16: the
// general kernel would copy 4 bytes at a time, and only with its small tile. So image and filters are
// rearranged in the workspace first: blocks of side x side pixels become single pixels, whose channels are
// those of the block, row by row, and zeros up to a multiple of four ("space to depth"). A convolution of
// such images is the one that was asked for,
//
//   side 2, for a stride of 2: 12 channels,         side 1, for any other: 4 channels
//   windows in steps of one block, half as large
//   each way; an odd window gets a line of zeros
//
// The image's padding is written out too, so that windows begin where blocks do and no tap falls outside.
//
// What that costs and saves, for ResNet's stem at batch 32 (7x7, stride 2, 224x224 to 64 channels):
//   multiplications   192 steps of k instead of 147, a third more in 6.5% of the network's
//   memory            19 MB read and 20 MB written once, beside the 103 MB of y that every form writes
//   copies            48 of 16 bytes a pixel of y and tile, instead of 147 of 4 bytes; a line of a window is
//                     192 bytes in a row, which begin on a sector
// A fourth channel alone (side 1 always) would take 196 steps and write 26 MB, and its lines of 112 bytes
// begin and end within sectors. Input rows staged in shared memory, and read by each pixel at a stride of 6
// floats, would save the third, but need tiles, copies and an epilogue of their own for each number format
// and for dw. On tensor cores, where y's 103 MB take longer than the product, they would save nothing.

#include "kernels/cuda/gather.cuh"
#include "kernels/kernels.h"

namespace signet::cuda {

/// Whether a convolution is to be computed in blocks: colours, each of which is read more than once.
inline bool has_colour_blocks(const Conv2dShape& s) {
  // As many weights as a block of threads has shared memory for, and far more than anyone has.
  const int64_t taps = s.kernel_height * s.kernel_width;
  return s.in_channels == 3 && taps > 1 && taps <= 1024;
}

/// A convolution with has_colour_blocks, and its operands in blocks.
class ColourBlocks {
 public:
  explicit ColourBlocks(const Conv2dShape& given);

  /// Of the convolution in blocks; without padding. Its images have lines of pitch() blocks.
  const Conv2dShape& shape() const { return shape_; }
  /// In_width of shape(), or one more, so that every line begins on a sector.
  int64_t pitch() const { return pitch_; }
  /// Floats from filter to filter, of which the last few are in no filter: filters too begin on a sector.
  int64_t filter_pitch() const { return filter_pitch_; }
  int64_t image_floats() const { return shape_.batch * shape_.in_height * pitch_ * shape_.in_channels; }
  int64_t filter_floats() const { return shape_.out_channels * filter_pitch_; }

  /// to[image_floats()] = the images x, in blocks. `to` is aligned to 16 bytes.
  void put_images(float* to, const float* x) const;
  /// to[filter_floats()] = the filters w, in blocks.
  void put_filters(float* to, const float* w) const;
  /// dw = or += the sums of `slices` slices, each of filters in blocks without a pitch, in ascending order.
  void add_filters(float* dw, const float* sums, int64_t slices, Accumulate accumulate) const;
  /// What each pixel of y sees of images in blocks.
  implicit_gemm::PixelGather<float> gather(const float* images) const;

 private:
  Conv2dShape given_, shape_;
  int side_;
  int64_t pitch_, filter_pitch_;
};

/// The bytes that a convolution's images take in blocks; 0 without has_colour_blocks.
inline int64_t image_bytes(const Conv2dShape& s) {
  return has_colour_blocks(s) ? ColourBlocks(s).image_floats() * int64_t(sizeof(float)) : 0;
}

}  // namespace signet::cuda
