#pragma once
// error_sums as devices add them up, and the extremes of a tensor.

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <cstdint>
#include <math.h>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/bins.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/plain_codec.cuh>
#include <weightscope/cuda/visit.cuh>

namespace weightscope::detail {

// A weight as it is decoded: 0 where it is not finite.
template <class Real>
struct fetched_weight
{
    Real value;
    bool finite;
};

struct device_error_sums
{
    double signal, squared_error, absolute_error, error, signal_error, max_error, max_magnitude;
    device_count count, non_finite_count, clipped_count, flushed_count;

    __device__ static device_error_sums none() { return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}; }

    __device__ void add(const device_error_sums& other)
    {
        signal += other.signal;
        squared_error += other.squared_error;
        absolute_error += other.absolute_error;
        error += other.error;
        signal_error += other.signal_error;
        max_error = other.max_error > max_error ? other.max_error : max_error;
        max_magnitude = other.max_magnitude > max_magnitude ? other.max_magnitude : max_magnitude;
        count += other.count;
        non_finite_count += other.non_finite_count;
        clipped_count += other.clipped_count;
        flushed_count += other.flushed_count;
    }
};

// What one thread adds up over fewer than 2^32 weights, with as few operations for each as will do.
template <class Real>
class error_tally
{
public:
    __device__ void add(const fetched_weight<Real>& weight, const decoded_weight<Real>& decoded)
    {
        const Real value = weight.finite ? decoded.value : 0;
        const auto w = static_cast<double>(weight.value);
        const double e = w - static_cast<double>(value);
        signal_ += w * w;
        squared_error_ += e * e;
        absolute_error_ += fabs(e);
        error_ += e;
        signal_error_ += w * e;
        largest_error_ = fabs(e) > fabs(largest_error_) ? e : largest_error_;
        largest_ = larger(largest_, magnitude_of(weight.value));
        non_finite_ += !weight.finite;
        clipped_ += decoded.clipped;
        flushed_ += value == 0 && weight.value != 0;
    }

    // That so many weights were added, by this thread or by others whose tallies will meet this one.
    __device__ void count(std::size_t weights) { count_ += weights; }

    // and begins anew
    __device__ device_error_sums take()
    {
        const device_error_sums sums{.signal = signal_,
                                     .squared_error = squared_error_,
                                     .absolute_error = absolute_error_,
                                     .error = error_,
                                     .signal_error = signal_error_,
                                     .max_error = fabs(largest_error_),
                                     .max_magnitude = static_cast<double>(largest_),
                                     .count = count_ - non_finite_,  // modulo 2^64: of all threads together it is right
                                     .non_finite_count = non_finite_,
                                     .clipped_count = clipped_,
                                     .flushed_count = flushed_};
        *this = {};
        return sums;
    }

private:
    double signal_ = 0, squared_error_ = 0, absolute_error_ = 0, error_ = 0, signal_error_ = 0, largest_error_ = 0;
    Real largest_ = 0;
    device_count count_ = 0;
    unsigned non_finite_ = 0, clipped_ = 0, flushed_ = 0;
};

// Those of the lanes of a team; every lane gets them.
template <int Width>
__device__ device_error_sums team_sums(const device_error_sums& own)
{
    return {team_sum<Width>(own.signal),         team_sum<Width>(own.squared_error), team_sum<Width>(own.absolute_error),
            team_sum<Width>(own.error),          team_sum<Width>(own.signal_error),  team_max<Width>(own.max_error),
            team_max<Width>(own.max_magnitude),  team_sum<Width>(own.count),         team_sum<Width>(own.non_finite_count),
            team_sum<Width>(own.clipped_count),  team_sum<Width>(own.flushed_count)};
}

// Those of a block; thread 0 gets them. `memory` holds 32.
__device__ inline device_error_sums block_sums(const device_error_sums& own, device_error_sums* memory)
{
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const device_error_sums of_warp = team_sums<32>(own);
    __syncthreads();
    if (lane == 0)
        memory[warp] = of_warp;
    __syncthreads();
    device_error_sums result = device_error_sums::none();
    if (threadIdx.x == 0)
        for (unsigned w = 0; w < warps; ++w)
            result.add(memory[w]);
    return result;
}

// The sum of `count` partial sums, by one block.
template <class Sums>
__global__ void __launch_bounds__(128) fold_errors(const Sums* partials, std::size_t count, Sums* result)
{
    __shared__ Sums memory[32];
    Sums sums = Sums::none();
    for (std::size_t i = threadIdx.x; i < count; i += blockDim.x)
        sums.add(partials[i]);
    sums = block_sums(sums, memory);
    if (threadIdx.x == 0)
        *result = sums;
}

// Extremes of a tensor, as keys that order like the numbers.
struct tensor_range
{
    unsigned low, high;

    static __host__ __device__ unsigned key_of(float x)
    {
        const auto bits = bits_as<std::uint32_t>(x);
        return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
    }
    static __host__ __device__ float number_of(unsigned key)
    {
        return bits_as<float>(static_cast<std::uint32_t>(key >> 31 != 0 ? key & 0x7fffffffu : ~key));
    }
};

__host__ __device__ inline bool finite_bits(float x)
{
    return (bits_as<std::uint32_t>(x) & 0x7fffffffu) < 0x7f800000u;
}

// Of w or of |w|; numbers that are not finite count as 0. `range` begins as (all ones, 0).
template <class T>
__global__ void __launch_bounds__(256) range_of_tensor(strided_numbers<T> w, bool magnitudes, tensor_range* range)
{
    float low = bits_as<float>(0x7f800000u), high = -low;
    visit_numbers(w, [&](T number, std::size_t) {
        auto x = static_cast<float>(number);
        x = finite_bits(x) ? magnitudes ? fabsf(x) : x : 0;
        low = x < low ? x : low;
        high = x > high ? x : high;
    });
    low = team_min<32>(low);
    high = team_max<32>(high);
    if (threadIdx.x % 32 == 0 && low <= high) {
        atomicMin(&range->low, tensor_range::key_of(low));
        atomicMax(&range->high, tensor_range::key_of(high));
    }
}

}  // namespace weightscope::detail
