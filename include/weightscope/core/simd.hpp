#pragma once

#include <cstddef>
#include <cstdint>

namespace weightscope::detail {

// 32 or 64 bytes of T whose operators work lane by lane, `a < b ? a : b` too: an extension of the language that GCC and clang share.
// For the few loops that neither of them vectorises by itself. A kernel keeps these in local variables only; as arguments or results
// of a function they would depend on the instruction set it is compiled for.
template <class T, std::size_t Bytes = 32>
struct simd
{
    typedef T type __attribute__((vector_size(Bytes)));
    typedef T unaligned __attribute__((vector_size(Bytes), aligned(alignof(T)), may_alias));
    static constexpr std::size_t width = Bytes / sizeof(T);
};

template <class T, std::size_t Bytes = 32>
using simd_vector = typename simd<T, Bytes>::type;

// Where the 32 bytes at p are, aligned or not, to be read or assigned to. A pointer: clang takes what a reference names for aligned.
template <class T>
[[gnu::always_inline]] inline const typename simd<T>::unaligned* group_at(const T* p)
{
    return reinterpret_cast<const typename simd<T>::unaligned*>(p);
}
template <class T>
[[gnu::always_inline]] inline typename simd<T>::unaligned* group_at(T* p)
{
    return reinterpret_cast<typename simd<T>::unaligned*>(p);
}

// x = neighbours as doubles. (Through __builtin_convertvector GCC 12 makes twice the instructions.)
template <class T>
[[gnu::always_inline]] inline void widen(const T* p, simd_vector<double>& x)
{
    x = simd_vector<double>{static_cast<double>(p[0]), static_cast<double>(p[1]), static_cast<double>(p[2]), static_cast<double>(p[3])};
}
template <class T>
[[gnu::always_inline]] inline void widen(const T* p, simd_vector<double, 64>& x)
{
    x = simd_vector<double, 64>{static_cast<double>(p[0]), static_cast<double>(p[1]), static_cast<double>(p[2]), static_cast<double>(p[3]),
                                static_cast<double>(p[4]), static_cast<double>(p[5]), static_cast<double>(p[6]), static_cast<double>(p[7])};
}

// x = |x|, lane by lane.
[[gnu::always_inline]] inline void take_magnitudes(simd_vector<double>& x)
{
    x = reinterpret_cast<simd_vector<double>>(reinterpret_cast<simd_vector<std::int64_t>>(x) & 0x7fffffffffffffff);
}
[[gnu::always_inline]] inline void take_magnitudes(simd_vector<double, 64>& x)
{
    x = reinterpret_cast<simd_vector<double, 64>>(reinterpret_cast<simd_vector<std::int64_t, 64>>(x) & 0x7fffffffffffffff);
}

// The same of one number, for what is written once for both.
[[gnu::always_inline]] inline void take_magnitudes(double& x) { x = __builtin_fabs(x); }

// Calls step(p) with `p` at each group of Width neighbours in [x, x + count), count > 0. The last group is filled up with the last
// element, which no maximum or minimum minds.
template <std::size_t Width, class T, class Step>
[[gnu::always_inline]] inline void for_each_group(const T* x, std::size_t count, const Step& step)
{
    const std::size_t whole = count - count % Width;
    for (std::size_t i = 0; i < whole; i += Width)
        step(x + i);
    if (whole == count)
        return;
    T rest[Width];
    for (std::size_t l = 0; l < Width; ++l)
        rest[l] = x[whole + l < count ? whole + l : count - 1];
    step(static_cast<const T*>(rest));
}

}  // namespace weightscope::detail
