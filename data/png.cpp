#include "data/png.h"

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

std::string encode_png(const Image& image) {
  const bool fits =
      image.height > 0 && image.width > 0 && (image.channels == 1 || image.channels == 3) &&
      image.pixels.size() == size_t(image.height) * size_t(image.width) * size_t(image.channels);
  if (!fits) throw std::invalid_argument("[encode_png] the pixels do not fit the image's shape");
  std::string bytes;
  const auto append = [](void* context, void* data, int size) {
    static_cast<std::string*>(context)->append(static_cast<const char*>(data), size_t(size));
  };
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

}  // namespace signet::data
