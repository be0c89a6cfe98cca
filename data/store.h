#pragma once
// The decoded images of a data set: every file is decoded once, whatever number of networks look at it.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/image.h"

namespace signet::data {

/// The form in which a network wants its images: size x size pixels, channels 1 (grey) or 3 (RGB). Grey is
/// taken before the resize, as torchvision's usual chain of transforms does.
struct ImageSpec {
  int size = 224;
  int channels = 3;
  bool operator==(const ImageSpec&) const = default;
  constexpr int64_t bytes() const { return int64_t{size} * size * channels; }
};

/// The decoded image in that form.
Image prepare(const Image& image, const ImageSpec& spec);

/// A file that cannot be used, and why.
struct BadFile {
  std::string path;  ///< relative to the data set's root
  std::string reason;
};

/// A file that was just decoded, to be looked at before it is let go.
struct DecodedFile {
  int64_t index;              ///< among the samples of the data set as it was given to the store
  const std::string& digest;  ///< SHA-256 of its bytes, hexadecimal
  const Image& image;         ///< at full size, upright
};

struct StoreOptions {
  /// Bound on the pixels kept, in bytes; images beyond it are decoded again at each access.
  int64_t max_bytes = int64_t{4} << 30;
  /// Leaves unreadable files out of the data set instead of refusing to start.
  bool skip_bad = false;
  /// Called with (files done, files in all) after each file, by one thread at a time.
  std::function<void(int64_t, int64_t)> progress = {};
  /// Called with each file that could be decoded, by several threads at once.
  std::function<void(const DecodedFile&)> examine = {};
  /// With skip_bad: classes may lose all their images, and the data set may lose all its classes' images.
  bool keep_empty_classes = false;
};

/// The images of a data set in every form asked for. Reading is safe from any number of threads.
class ImageStore {
 public:
  /// Decodes all files in parallel. Throws Error listing every unreadable file with its reason (with
  /// skip_bad: drops them, and throws only where a class loses all its images), and std::invalid_argument for
  /// a spec that is not positive or has other than 1 or 3 channels.
  ImageStore(Dataset dataset, std::vector<ImageSpec> specs, StoreOptions options = {});

  /// The data set without the files that were dropped: indices below count its samples.
  const Dataset& dataset() const { return dataset_; }
  const std::vector<BadFile>& bad_files() const { return bad_files_; }

  /// SHA-256 (hexadecimal) of the lines that `sha256sum` prints for the files in the order of the data set:
  /// 64 digits, two spaces, the path, a newline.
  const std::string& content_hash() const { return content_hash_; }

  /// Copies image `index` in the form `spec` to `out` (spec.bytes() long, [size, size, channels]). A form
  /// that was not asked for, or an image beyond the memory bound, is decoded again. Throws Error when the
  /// file has become unreadable, std::out_of_range for an index and std::invalid_argument for a wrong length.
  void read(int64_t index, const ImageSpec& spec, std::span<uint8_t> out) const;

  /// The same pixels without a copy, or an empty span where they are not kept.
  std::span<const uint8_t> kept(int64_t index, const ImageSpec& spec) const;

  /// Whether every image is kept in the form `spec`.
  bool keeps_all(const ImageSpec& spec) const;

  /// Bytes of pixels kept; at most the bound.
  int64_t kept_bytes() const;

 private:
  struct Shelf {
    ImageSpec spec;
    int64_t count = 0;  // the files [0, count) of the scan are kept
    std::unique_ptr<uint8_t[]> pixels;
  };

  void plan_shelves(std::vector<ImageSpec> specs, int64_t max_bytes);
  void drop_bad_files(const std::vector<std::string>& reasons, const StoreOptions& options);

  Dataset dataset_;
  std::vector<Shelf> shelves_;
  std::vector<int64_t> slots_;  // for each sample its number in the scan
  std::vector<BadFile> bad_files_;
  std::string content_hash_;
};

}  // namespace signet::data
