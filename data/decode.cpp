#include "data/decode.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "data/exif.h"
#include "data/jpeg_check.h"
#include "tensor/error.h"
#include "tensor/files.h"
#include "tensor/hash.h"

namespace {

/// The largest block that the decoder may ask for on this thread. A PNG file of a few megabytes can unpack to
/// gigabytes that its picture has no place for.
thread_local size_t largest_block = 0;

void* bounded_malloc(size_t size) {
  return size <= largest_block ? std::malloc(size) : nullptr;
}

void* bounded_realloc(void* block, size_t size) {
  return size <= largest_block ? std::realloc(block, size) : nullptr;
}

}  // namespace

#define STBI_MALLOC(size) bounded_malloc(size)
#define STBI_REALLOC(block, size) bounded_realloc(block, size)
#define STBI_FREE(block) std::free(block)
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb_image.h>
#pragma GCC diagnostic pop

namespace signet::data {
namespace {

uint32_t big_endian(std::string_view bytes, size_t at, int count) {
  uint32_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | uint8_t(bytes[at + size_t(i)]);
  return value;
}

/// Walks the chunks of a PNG file (RFC 2083, section 3) to its end chunk. stb_image leaves the check sums
/// alone.
void check_png(std::string_view bytes, const std::string& name) {
  size_t at = 8;
  while (at + 12 <= bytes.size()) {
    const size_t length = big_endian(bytes, at, 4);
    if (length > bytes.size() - at - 12) break;
    const auto content = bytes.substr(at + 4, 4 + length);
    if (crc32(content) != big_endian(bytes, at + 8 + length, 4)) {
      fail("{}: is a damaged PNG file (a check sum is wrong); replace the file", name);
    }
    if (content.starts_with("IEND")) return;
    at += 12 + length;
  }
  fail("{}: is cut short (a PNG file without its end); copy or download the file again", name);
}

bool is_jpeg(std::string_view bytes) {
  return bytes.starts_with("\xFF\xD8\xFF");
}

void check_container(std::string_view bytes, const std::string& name) {
  if (bytes.empty()) fail("{}: is an empty file; replace or delete it", name);
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) {
    check_png(bytes, name);
  } else if (is_jpeg(bytes)) {
    const auto fault = find_jpeg_fault(bytes);
    if (!fault.empty()) fail("{}: {}; copy or download the file again", name, fault);
  } else {
    fail("{}: is not a JPEG or PNG image, whatever its name says; convert or delete it", name);
  }
}

/// Grey, grey with alpha or RGB with alpha to RGB; alpha on black.
void spread_to_rgb(uint8_t* out, const uint8_t* in, int channels, int64_t count) {
  const bool grey = channels <= 2;
  const bool alpha = channels % 2 == 0;
  for (int64_t i = 0; i < count; ++i, in += channels, out += 3) {
    const int opacity = alpha ? in[channels - 1] : 255;
    for (int c = 0; c < 3; ++c) out[c] = uint8_t((in[grey ? 0 : c] * opacity + 127) / 255);
  }
}

#if defined(__x86_64__)
/// Four pixels at a time, as long as the four bytes that a store of sixteen has too many are covered by the
/// next pixels. Returns how many are done.
[[gnu::target("ssse3")]] int64_t drop_fourth_ssse3(uint8_t* out, const uint8_t* in, int64_t count) {
  const __m128i colours = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  int64_t i = 0;
  for (; i + 6 <= count; i += 4) {
    const __m128i pixels = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + 4 * i));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 3 * i), _mm_shuffle_epi8(pixels, colours));
  }
  return i;
}
#endif

/// The colours of pixels of four bytes, without the fourth.
void drop_fourth(uint8_t* out, const uint8_t* in, int64_t count) {
  int64_t done = 0;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("ssse3")) done = drop_fourth_ssse3(out, in, count);
#endif
  for (int64_t i = done; i < count; ++i) std::memcpy(out + 3 * i, in + 4 * i, 3);
}

}  // namespace

Image decode_image(std::string_view bytes, const std::string& name, int64_t max_pixels) {
  check_container(bytes, name);
  if (bytes.size() > size_t{1} << 30) fail("{}: is larger than 1 GiB; make it smaller", name);
  const auto* const data = reinterpret_cast<const stbi_uc*>(bytes.data());
  const int size = int(bytes.size());
  int width = 0, height = 0, channels = 0;
  constexpr int64_t kSlack = 1 << 20;
  largest_block = kSlack;
  if (!stbi_info_from_memory(data, size, &width, &height, &channels)) {
    fail("{}: cannot be decoded: {}; replace the file", name, stbi_failure_reason());
  }
  if (width < 1 || height < 1) fail("{}: has no pixels ({}x{}); delete it", name, width, height);
  if (int64_t{width} * height > max_pixels) {
    fail("{}: has {}x{} pixels, more than the {} million that are read; make it smaller", name, width, height,
         max_pixels / 1'000'000);
  }
  // 16-bit samples with alpha take 8 bytes, and each line of a PNG a byte more; JPEG pads to blocks.
  largest_block = size_t(kSlack + 9 * (int64_t{width} + 64) * (int64_t{height} + 64));
  // stb_image turns YCbCr into four bytes a pixel with vectors, and into three without, to the same values.
  const bool padded = is_jpeg(bytes) && channels == 3;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(data, size, &width, &height, &channels, padded ? 4 : 0), stbi_image_free);
  if (!pixels) fail("{}: cannot be decoded: {}; replace the file", name, stbi_failure_reason());

  Image image{height, width, 3, {}};
  const int64_t count = int64_t{width} * height;
  if (channels == 3 && !padded) {
    image.pixels.assign(pixels.get(), pixels.get() + count * 3);
  } else {
    image.pixels.resize(size_t(count) * 3);
    if (padded) {
      drop_fourth(image.pixels.data(), pixels.get(), count);
    } else {
      spread_to_rgb(image.pixels.data(), pixels.get(), channels, count);
    }
  }
  return turn_upright(std::move(image), exif_orientation(bytes));
}

Image load_image(const std::filesystem::path& path) {
  return decode_image(read_file(path), path.string());
}

}  // namespace signet::data
