#pragma once
// What kernels call: barriers, exchanges within a warp, atomics, arithmetic without fusing.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "machine.hpp"

namespace emulator {

template <class T>
std::uint64_t to_word(T value)
{
    static_assert(sizeof(T) <= 8);
    std::uint64_t word = 0;
    std::memcpy(&word, &value, sizeof value);
    return word;
}

template <class T>
T from_word(std::uint64_t word)
{
    T value;
    std::memcpy(&value, &word, sizeof value);
    return value;
}

template <class T>
T shuffle_xor(unsigned mask, T value, int lanes, int width, int line)
{
    const unsigned lane = the().current->lane, source = lane ^ static_cast<unsigned>(lanes);
    const std::uint64_t* words = exchange(mask, to_word(value), line);
    return from_word<T>(words[source / static_cast<unsigned>(width) == lane / static_cast<unsigned>(width) ? source : lane]);
}

template <class T>
T shuffle(unsigned mask, T value, int source, int width, int line)
{
    const unsigned lane = the().current->lane, w = static_cast<unsigned>(width);
    const std::uint64_t* words = exchange(mask, to_word(value), line);
    return from_word<T>(words[lane / w * w + static_cast<unsigned>(source) % w]);
}

inline unsigned ballot(unsigned mask, int predicate, int line)
{
    const std::uint64_t* words = exchange(mask, predicate != 0 ? 1 : 0, line);
    unsigned result = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
        if (mask >> lane & 1u)
            result |= static_cast<unsigned>(words[lane]) << lane;
    return result;
}

}  // namespace emulator

#define __syncthreads() ::emulator::barrier(__LINE__)
#define __shfl_xor_sync(mask, value, lanes, width) ::emulator::shuffle_xor(mask, value, lanes, width, __LINE__)
#define __shfl_sync(mask, value, source, width) ::emulator::shuffle(mask, value, source, width, __LINE__)
#define __ballot_sync(mask, predicate) ::emulator::ballot(mask, predicate, __LINE__)

// the types that the device has these for, and no others
#define EMULATED_ATOMICS(T) \
    inline T atomicAdd(T* p, T x) { const T old = *p; *p = static_cast<T>(old + x); return old; } \
    inline T atomicMin(T* p, T x) { const T old = *p; *p = std::min(old, x); return old; } \
    inline T atomicMax(T* p, T x) { const T old = *p; *p = std::max(old, x); return old; } \
    inline T atomicOr(T* p, T x) { const T old = *p; *p = old | x; return old; }
EMULATED_ATOMICS(int)
EMULATED_ATOMICS(unsigned)
EMULATED_ATOMICS(unsigned long long)
#undef EMULATED_ATOMICS
inline unsigned atomicSub(unsigned* p, unsigned x) { const unsigned old = *p; *p = old - x; return old; }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
