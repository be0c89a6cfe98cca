#pragma once
// What the sources in kernels/cuda and kernels/ladder are compiled against: nvcc's CUDA, or the device that
// kernels/simt simulates on the CPU. Both headers supply the same names; nothing else tells the builds apart.

#ifdef __CUDACC__
#include "kernels/cuda/nvcc.cuh"
#else
#include "kernels/simt/simt.h"
#endif
