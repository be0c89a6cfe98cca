#include "data/encode.h"

#include <new>
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

void require_sound(const Image& image, const char* what) {
  const bool fits =
      image.height > 0 && image.width > 0 && (image.channels == 1 || image.channels == 3) &&
      image.pixels.size() == size_t(image.height) * size_t(image.width) * size_t(image.channels);
  if (fits) return;
  throw std::invalid_argument(std::string("[") + what + "] the pixels do not fit the image's shape");
}

void append(void* context, void* data, int size) {
  static_cast<std::string*>(context)->append(static_cast<const char*>(data), size_t(size));
}

}  // namespace

std::string encode_png(const Image& image) {
  require_sound(image, "encode_png");
  std::string bytes;
  const int stride = image.width * image.channels;
  if (!stbi_write_png_to_func(append, &bytes, image.width, image.height, image.channels, image.pixels.data(),
                              stride)) {
    throw std::bad_alloc();
  }
  return bytes;
}

void write_png(const std::filesystem::path& path, const Image& image) {
  write_atomically(path, encode_png(image));
}

std::string encode_jpeg(const Image& image, int quality) {
  require_sound(image, "encode_jpeg");
  if (quality < 1 || quality > 100) throw std::invalid_argument("[encode_jpeg] the quality is 1 to 100");
  std::string bytes;
  if (!stbi_write_jpg_to_func(append, &bytes, image.width, image.height, image.channels, image.pixels.data(),
                              quality)) {
    throw std::bad_alloc();
  }
  return bytes;
}

}  // namespace signet::data
