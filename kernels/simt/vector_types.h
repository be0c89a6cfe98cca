#pragma once
// CUDA's built-in vector types, with CUDA's sizes and alignments.

#include <cstdint>

// NOLINTBEGIN: the names are CUDA's.
#define SIGNET_SIMT_VECTOR1(name, element)      \
  struct name##1 {                              \
    element x;                                  \
  };                                            \
  constexpr name##1 make_##name##1(element x) { \
    return {x};                                 \
  }
#define SIGNET_SIMT_VECTOR2(name, element)                 \
  struct alignas(2 * sizeof(element)) name##2 {            \
    element x, y;                                          \
  };                                                       \
  constexpr name##2 make_##name##2(element x, element y) { \
    return {x, y};                                         \
  }
#define SIGNET_SIMT_VECTOR3(name, element)                            \
  struct name##3 {                                                    \
    element x, y, z;                                                  \
  };                                                                  \
  constexpr name##3 make_##name##3(element x, element y, element z) { \
    return {x, y, z};                                                 \
  }
// Four 8-byte elements are aligned to 16 bytes only: that is the widest access of a thread.
#define SIGNET_SIMT_VECTOR4(name, element)                                       \
  struct alignas(sizeof(element) < 8 ? 4 * sizeof(element) : 16) name##4 {       \
    element x, y, z, w;                                                          \
  };                                                                             \
  constexpr name##4 make_##name##4(element x, element y, element z, element w) { \
    return {x, y, z, w};                                                         \
  }
#define SIGNET_SIMT_VECTORS(name, element) \
  SIGNET_SIMT_VECTOR1(name, element)       \
  SIGNET_SIMT_VECTOR2(name, element)       \
  SIGNET_SIMT_VECTOR3(name, element)       \
  SIGNET_SIMT_VECTOR4(name, element)

SIGNET_SIMT_VECTORS(char, signed char)
SIGNET_SIMT_VECTORS(uchar, unsigned char)
SIGNET_SIMT_VECTORS(short, short)
SIGNET_SIMT_VECTORS(ushort, unsigned short)
SIGNET_SIMT_VECTORS(int, int)
SIGNET_SIMT_VECTORS(uint, unsigned)
SIGNET_SIMT_VECTORS(long, long)
SIGNET_SIMT_VECTORS(ulong, unsigned long)
SIGNET_SIMT_VECTORS(longlong, long long)
SIGNET_SIMT_VECTORS(ulonglong, unsigned long long)
SIGNET_SIMT_VECTORS(float, float)
SIGNET_SIMT_VECTORS(double, double)

#undef SIGNET_SIMT_VECTOR1
#undef SIGNET_SIMT_VECTOR2
#undef SIGNET_SIMT_VECTOR3
#undef SIGNET_SIMT_VECTOR4
#undef SIGNET_SIMT_VECTORS

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};
// NOLINTEND
