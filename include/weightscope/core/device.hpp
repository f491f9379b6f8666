#pragma once
// Marks the small functions that host and device code share. Their bodies are the same for g++ and nvcc, so that a program
// built from both keeps one definition of each.
#if defined(__CUDACC__)
#define WEIGHTSCOPE_HOST_DEVICE __host__ __device__
#else
#define WEIGHTSCOPE_HOST_DEVICE
#endif
