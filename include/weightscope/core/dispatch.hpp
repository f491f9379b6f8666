#pragma once

namespace weightscope::detail {

enum class instruction_set
{
    baseline,
    avx2,
    avx512,
};

// One source, three machine codes. A kernel (a callable marked [[gnu::always_inline]], over pointers and sizes) is compiled for
// the baseline, for AVX2 and for AVX-512, and the best one that the processor has is called: a consumer's plain -O3 runs at the
// speed of -march=native. Measured on 64M floats, INT8 error sums, g++ 12: baseline 127 ms, dispatched 36 ms, -march=native 44 ms.
// A stateless kernel may name another one to take its place where there is AVX-512, as its member type on_avx512.
// The wider sets fuse a*b+c where the source allows it, so paths may differ in the last bit: write std::fma, or keep the pattern
// out of anything that must be equal on every processor.
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(__CUDACC__)

template <class Kernel, class... Args>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,bmi,bmi2,lzcnt,f16c,popcnt"), gnu::flatten]]
inline auto run_avx512(Kernel kernel, Args... args)
{
    return kernel(args...);
}

template <class Kernel, class... Args>
[[gnu::target("avx2,fma,bmi,bmi2,lzcnt,f16c,popcnt"), gnu::flatten]]
inline auto run_avx2(Kernel kernel, Args... args)
{
    return kernel(args...);
}

inline instruction_set best_instructions()
{
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return instruction_set::avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        return instruction_set::avx2;
    return instruction_set::baseline;
}

template <class Kernel, class... Args>
inline auto dispatch(Kernel kernel, Args... args)
{
    switch (best_instructions()) {
    case instruction_set::avx512:
        if constexpr (requires { typename Kernel::on_avx512; })
            return run_avx512(typename Kernel::on_avx512{}, args...);
        else
            return run_avx512(kernel, args...);
    case instruction_set::avx2: return run_avx2(kernel, args...);
    case instruction_set::baseline: break;
    }
    return kernel(args...);
}

#else

inline instruction_set best_instructions() { return instruction_set::baseline; }

template <class Kernel, class... Args>
inline auto dispatch(Kernel kernel, Args... args)
{
    return kernel(args...);
}

#endif

}  // namespace weightscope::detail
