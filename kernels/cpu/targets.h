// Which instruction sets the CPU kernels are compiled for, chosen at run time by Highway: AVX-512, AVX2 with
// FMA, and the compiler's baseline. A kernel file includes this before hwy/foreach_target.h, which includes
// the file once more for each of them (so: no include guard is needed, and none would help).
//
// Inside HWY_NAMESPACE, plain loops are enough where memory is the limit: the compiler vectorises them for
// each target. No standard-library template may be defined there, only called.

#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#endif
