#include "kernels/cpu/scratch.h"

#include <atomic>
#include <new>

#include "kernels/cpu/chunks.h"

namespace signet::cpu {
namespace {

constexpr std::align_val_t kAlignment{64};
// Requests are rounded up to whole pages.
constexpr int64_t kGranule = 1024;

std::atomic<int64_t> held{0};

struct Buffer {
  float* data = nullptr;
  int64_t size = 0;

  ~Buffer() { release(); }

  void release() {
    ::operator delete(data, kAlignment);
    held -= size * int64_t(sizeof(float));
    data = nullptr;
    size = 0;
  }

  void grow(int64_t count) {
    release();
    count = round_up(count, kGranule);
    data = static_cast<float*>(::operator new(size_t(count) * sizeof(float), kAlignment));
    size = count;
    held += size * int64_t(sizeof(float));
  }
};

thread_local Buffer buffers[int(Scratch::count)];

}  // namespace

float* scratch(Scratch slot, int64_t count) {
  Buffer& buffer = buffers[int(slot)];
  if (buffer.size < count) buffer.grow(count);
  return buffer.data;
}

int64_t scratch_bytes() {
  return held;
}

}  // namespace signet::cpu
