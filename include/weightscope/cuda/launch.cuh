#pragma once
// How kernels are started, and the few steps that all of them share.

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <math.h>
#include <utility>

namespace weightscope::detail {

struct launch_shape
{
    dim3 grid = {};
    unsigned threads = 256;          // of a block, whole warps
    std::size_t shared_bytes = 0;    // beside what the kernel declares
    cudaStream_t stream = nullptr;
};

/// Gives a kernel to a stream.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const char* name, const launch_shape& shape, Arguments&&... arguments)
{
    constexpr std::size_t unasked = 48 * 1024;
    if (shape.shared_bytes > unasked)
        check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shape.shared_bytes)), name);
    cudaLaunchConfig_t config{};
    config.gridDim = shape.grid;
    config.blockDim = dim3(shape.threads);
    config.dynamicSmemBytes = shape.shared_bytes;
    config.stream = shape.stream;
    check_cuda(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(std::forward<Arguments>(arguments))...), name);
    check_cuda(cudaGetLastError(), name);
}

// Blocks that share `pieces` of work: no more than the device can hold at a time, which then take the rest as well.
[[nodiscard]] inline unsigned blocks_for(std::size_t pieces, unsigned most)
{
    return static_cast<unsigned>(pieces < 1 ? 1 : pieces < most ? pieces : most);
}

inline constexpr unsigned whole_warp = 0xffffffffu;

// The shared memory that the launch asked for.
template <class T>
__device__ T* launched_shared()
{
#if defined(WEIGHTSCOPE_CUDA_EMULATION)
    return reinterpret_cast<T*>(::emulator::the().shared.data());
#else
    extern __shared__ __align__(16) unsigned char weightscope_shared[];
    return reinterpret_cast<T*>(weightscope_shared);
#endif
}

// Σ over the lanes of a team of `Width` neighbours; every lane gets it. One order, so the same bits each time.
template <int Width, class T>
__device__ T team_sum(T value)
{
    for (int lanes = Width / 2; lanes > 0; lanes /= 2)
        value += __shfl_xor_sync(whole_warp, value, lanes, Width);
    return value;
}

template <class T>
__device__ T smaller(T a, T b)
{
    return b < a ? b : a;
}
template <class T>
__device__ T larger(T a, T b)
{
    return b > a ? b : a;
}
// One operation for floats, where zeros of either sign are the same and NaN is the smaller and the larger of nothing.
__device__ inline float smaller(float a, float b) { return fminf(a, b); }
__device__ inline float larger(float a, float b) { return fmaxf(a, b); }

template <int Width, class T>
__device__ T team_max(T value)
{
    for (int lanes = Width / 2; lanes > 0; lanes /= 2)
        value = larger(value, __shfl_xor_sync(whole_warp, value, lanes, Width));
    return value;
}

template <int Width, class T>
__device__ T team_min(T value)
{
    for (int lanes = Width / 2; lanes > 0; lanes /= 2)
        value = smaller(value, __shfl_xor_sync(whole_warp, value, lanes, Width));
    return value;
}

// Folds the values of a block's threads; thread 0 gets the outcome. `memory` is of 32 numbers that all threads share. `Fold` has a
// function fold(value) of a warp; lanes beyond the warps give `none`.
template <class Fold, class T>
__device__ T fold_block(T value, T none, T* memory)
{
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    value = Fold::fold(value);
    __syncthreads();  // who read the memory before is done
    if (lane == 0)
        memory[warp] = value;
    __syncthreads();
    value = threadIdx.x < warps ? memory[threadIdx.x] : none;
    if (warp == 0)
        value = Fold::fold(value);
    return value;
}

struct sum_fold
{
    template <class T>
    static __device__ T fold(T value)
    {
        return team_sum<32>(value);
    }
};
struct max_fold
{
    template <class T>
    static __device__ T fold(T value)
    {
        return team_max<32>(value);
    }
};
struct min_fold
{
    template <class T>
    static __device__ T fold(T value)
    {
        return team_min<32>(value);
    }
};

}  // namespace weightscope::detail
