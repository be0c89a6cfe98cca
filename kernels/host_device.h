#pragma once
// Marks the few functions that kernels on a CUDA device share with the host.

#ifdef __CUDACC__
#define SIGNET_HOST_DEVICE __host__ __device__
#else
#define SIGNET_HOST_DEVICE
#endif
