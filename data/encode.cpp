#include "data/encode.h"

#include <fmt/format.h>

#include <stdexcept>

#include "tensor/files.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb_image_write.h>
#pragma GCC diagnostic pop

namespace signet::data {
namespace {

void require_fitting(const Image& image, const char* function) {
  const size_t size = size_t(image.height) * size_t(image.width) * size_t(image.channels);
  if (image.height < 1 || image.width < 1 || (image.channels != 1 && image.channels != 3) ||
      image.pixels.size() != size)
    throw std::invalid_argument(fmt::format("[{}] the pixels do not fit the image's shape", function));
}

void append(void* bytes, void* data, int size) {
  static_cast<std::string*>(bytes)->append(static_cast<const char*>(data), size_t(size));
}

}  // namespace

std::string encode_png(const Image& image) {
  require_fitting(image, "encode_png");
  std::string bytes;
  const int stride = image.width * image.channels;
  if (!stbi_write_png_to_func(append, &bytes, image.width, image.height, image.channels, image.pixels.data(),
                              stride)) {
    throw std::bad_alloc();
  }
  return bytes;
}

std::string encode_jpeg(const Image& image, int quality) {
  require_fitting(image, "encode_jpeg");
  if (quality < 1 || quality > 100)
    throw std::invalid_argument(fmt::format("[encode_jpeg] quality {} is not within 1 and 100", quality));
  std::string bytes;
  if (!stbi_write_jpg_to_func(append, &bytes, image.width, image.height, image.channels, image.pixels.data(),
                              quality)) {
    throw std::bad_alloc();
  }
  return bytes;
}

void write_png(const std::filesystem::path& path, const Image& image) {
  write_atomically(path, encode_png(image));
}

}  // namespace signet::data
