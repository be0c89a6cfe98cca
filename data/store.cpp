#include "data/store.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <stdexcept>

#include "data/decode.h"
#include "kernels/parallel.h"
#include "tensor/error.h"
#include "tensor/files.h"
#include "tensor/sha256.h"

namespace signet::data {

Image prepare(const Image& image, const ImageSpec& spec) {
  return resize(spec.channels == 1 ? to_grey(image) : image, spec.size, spec.size);
}

ImageStore::ImageStore(Dataset dataset, std::vector<ImageSpec> specs, StoreOptions options)
    : dataset_(std::move(dataset)) {
  plan_shelves(std::move(specs), options.max_bytes);
  const int64_t files = dataset_.size();
  std::vector<std::string> reasons(static_cast<size_t>(files)), digests(static_cast<size_t>(files));
  std::mutex mutex;
  int64_t done = 0;
  parallel_for(files, [&](int64_t i) {
    const auto& path = dataset_.samples[size_t(i)].path;
    try {
      const std::string bytes = read_file(dataset_.root / path);
      digests[size_t(i)] = sha256_hex(bytes);
      const Image image = decode_image(bytes, (dataset_.root / path).string());
      if (options.examine) options.examine({i, digests[size_t(i)], image});
      for (auto& shelf : shelves_) {
        if (i >= shelf.count) continue;
        const auto pixels = prepare(image, shelf.spec).pixels;
        std::copy(pixels.begin(), pixels.end(), shelf.pixels.get() + i * shelf.spec.bytes());
      }
    } catch (const Error& error) {
      reasons[size_t(i)] = error.what();
    }
    const std::lock_guard lock(mutex);
    ++done;
    if (options.progress) options.progress(done, files);
  });
  drop_bad_files(reasons, options);

  Sha256 hash;
  for (int64_t i = 0; i < dataset_.size(); ++i) {
    hash.update(digests[size_t(slots_[size_t(i)])] + "  " + dataset_.samples[size_t(i)].path + "\n");
  }
  content_hash_ = hash.hex_digest();
}

void ImageStore::plan_shelves(std::vector<ImageSpec> specs, int64_t max_bytes) {
  std::sort(specs.begin(), specs.end(), [](auto& a, auto& b) { return a.bytes() < b.bytes(); });
  int64_t left = std::max<int64_t>(max_bytes, 0);
  for (const auto& spec : specs) {
    if (spec.size < 1 || (spec.channels != 1 && spec.channels != 3)) {
      throw std::invalid_argument("[ImageStore] a form has a positive size and 1 or 3 channels");
    }
    if (!shelves_.empty() && shelves_.back().spec == spec) continue;
    // The smallest forms are kept first: they cost least and are read most.
    const int64_t count = std::min(dataset_.size(), left / spec.bytes());
    left -= count * spec.bytes();
    shelves_.push_back(
        {spec, count, std::make_unique_for_overwrite<uint8_t[]>(size_t(count * spec.bytes()))});
  }
}

void ImageStore::drop_bad_files(const std::vector<std::string>& reasons, const StoreOptions& options) {
  std::vector<Sample> good;
  for (size_t i = 0; i < reasons.size(); ++i) {
    if (reasons[i].empty()) {
      good.push_back(std::move(dataset_.samples[i]));
      slots_.push_back(int64_t(i));
    } else {
      bad_files_.push_back({dataset_.samples[i].path, reasons[i]});
    }
  }
  if (!bad_files_.empty() && !options.skip_bad) {
    std::string lines;
    for (const auto& file : bad_files_) lines += "\n  " + file.reason;
    fail("{}: {} of {} images cannot be used; mend them, or leave them out with --skip-bad:{}",
         dataset_.root.string(), bad_files_.size(), reasons.size(), lines);
  }
  dataset_.samples = std::move(good);
  if (options.keep_empty_classes) return;
  const auto counts = class_counts(dataset_);
  const auto empty = std::find(counts.begin(), counts.end(), 0);
  if (empty != counts.end()) {
    fail("{}: none of the images of class '{}' can be used, e.g. {}", dataset_.root.string(),
         dataset_.classes[size_t(empty - counts.begin())], bad_files_[0].reason);
  }
}

std::span<const uint8_t> ImageStore::kept(int64_t index, const ImageSpec& spec) const {
  const int64_t slot = slots_.at(size_t(index));
  for (const auto& shelf : shelves_) {
    if (shelf.spec == spec && slot < shelf.count) {
      return {shelf.pixels.get() + slot * spec.bytes(), size_t(spec.bytes())};
    }
  }
  return {};
}

void ImageStore::read(int64_t index, const ImageSpec& spec, std::span<uint8_t> out) const {
  if (int64_t(out.size()) != spec.bytes()) {
    throw std::invalid_argument("[ImageStore::read] the buffer has another length than the image");
  }
  const auto pixels = kept(index, spec);
  if (!pixels.empty()) {
    std::copy(pixels.begin(), pixels.end(), out.begin());
    return;
  }
  const Image image = prepare(load_image(dataset_.root / dataset_.samples[size_t(index)].path), spec);
  std::copy(image.pixels.begin(), image.pixels.end(), out.begin());
}

bool ImageStore::keeps_all(const ImageSpec& spec) const {
  return std::any_of(shelves_.begin(), shelves_.end(), [&](const Shelf& shelf) {
    return shelf.spec == spec && (slots_.empty() || slots_.back() < shelf.count);
  });
}

int64_t ImageStore::kept_bytes() const {
  int64_t bytes = 0;
  for (const auto& shelf : shelves_) bytes += shelf.count * shelf.spec.bytes();
  return bytes;
}

}  // namespace signet::data
