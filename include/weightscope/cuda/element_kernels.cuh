#pragma once
// The two passes of element_survey.cuh over floats.

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <cstdint>
#include <math.h>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/bins.cuh>
#include <weightscope/cuda/exact_division.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/visit.cuh>

namespace weightscope::detail {

inline constexpr std::uint32_t float_infinity_bits = 0x7f800000u, float_least_normal_bits = 0x00800000u;

// Integers that order as the floats do.
__host__ __device__ inline std::int32_t ordered_of_bits(std::uint32_t bits)
{
    const auto value = static_cast<std::int32_t>(bits);
    return value ^ ((value >> 31) & 0x7fffffff);
}

__host__ __device__ inline bool is_finite(std::uint32_t bits)
{
    return (bits & 0x7fffffffu) < float_infinity_bits;
}

// Neither zero nor subnormal nor infinite nor NaN.
__host__ __device__ inline bool is_normal(std::uint32_t bits)
{
    return (bits & 0x7fffffffu) - float_least_normal_bits < float_infinity_bits - float_least_normal_bits;
}

// What one block adds up over the floats that it sees: power sums about a shift, extremes of the finite ones, census.
struct survey_partial
{
    double s1, s2, s3, s4, sum_magnitude;
    std::int32_t low, high;  // ordered
    device_count nan, positive_infinity, negative_infinity, subnormal, zero, negative_zero;
};

template <class Fold, class T>
__device__ void fold_into(T value, T none, T& result)
{
    __shared__ T memory[32];
    value = fold_block<Fold>(value, none, memory);
    if (threadIdx.x == 0)
        result = value;
}

// totals: how many finite floats but zeros begin with each 16 bits; not looked at without `WithBins`
template <bool WithBins>
__global__ void __launch_bounds__(1024, 1) survey_floats(strided_numbers<std::uint32_t> w, double shift, unsigned bins, device_count* totals,
                                                      survey_partial* partials)
{
    const bool sums_too = blockIdx.y == 0;  // else a part of the bins only
    const shared_bins counters(blockIdx.y * bins, WithBins ? bins : 0, totals);
    double s1 = 0, s2 = 0, s3 = 0, s4 = 0, sum_magnitude = 0;
    std::int32_t low = 0x7fffffff, high = -0x7fffffff - 1;
    unsigned nan = 0, positive_infinity = 0, negative_infinity = 0, subnormal = 0, zero = 0, negative_zero = 0;
    const auto sum = [&](std::uint32_t bits) {
        const std::int32_t ordered = ordered_of_bits(bits);
        low = ordered < low ? ordered : low;
        high = ordered > high ? ordered : high;
        const double x = static_cast<double>(bits_as<float>(bits)), d = x - shift, square = d * d;
        s1 += d;
        s2 += square;
        s3 += square * d;
        s4 += square * square;
        sum_magnitude += fabs(x);
    };
    const auto sum_any = [&](std::uint32_t bits) {
        const std::uint32_t magnitude = bits & 0x7fffffffu;
        if (magnitude >= float_infinity_bits) {
            nan += magnitude > float_infinity_bits;
            positive_infinity += bits == float_infinity_bits;
            negative_infinity += magnitude == float_infinity_bits && bits != magnitude;
            return;
        }
        zero += magnitude == 0;
        negative_zero += magnitude == 0 && bits != 0;
        subnormal += magnitude != 0 && magnitude < float_least_normal_bits;
        sum(bits);
    };
    const auto add = [&]<unsigned Count>(const std::uint32_t(&numbers)[Count]) {
        if (WithBins)
            counters.add<Count>([&](unsigned i) { return numbers[i] >> 16; }, [&](unsigned i) { return is_finite(numbers[i]) && (numbers[i] & 0x7fffffffu) != 0; });
        if (!sums_too)
            return;
        bool usual = true;
        unrolled<Count>([&](unsigned i) { usual = usual && is_normal(numbers[i]); });
        unrolled<Count>([&](unsigned i) { usual ? sum(numbers[i]) : sum_any(numbers[i]); });
    };
    visit_packs(
        w, [&](const number_pack<std::uint32_t>& pack, std::size_t) { add(pack.values); },
        [&](std::uint32_t bits, std::size_t) { add({bits}); });
    if (WithBins)
        counters.finish();
    if (!sums_too)
        return;
    survey_partial& result = partials[blockIdx.x];
    fold_into<sum_fold>(s1, 0.0, result.s1);
    fold_into<sum_fold>(s2, 0.0, result.s2);
    fold_into<sum_fold>(s3, 0.0, result.s3);
    fold_into<sum_fold>(s4, 0.0, result.s4);
    fold_into<sum_fold>(sum_magnitude, 0.0, result.sum_magnitude);
    fold_into<min_fold>(low, std::int32_t{0x7fffffff}, result.low);
    fold_into<max_fold>(high, std::int32_t{-0x7fffffff - 1}, result.high);
    fold_into<sum_fold>(device_count{nan}, device_count{0}, result.nan);
    fold_into<sum_fold>(device_count{positive_infinity}, device_count{0}, result.positive_infinity);
    fold_into<sum_fold>(device_count{negative_infinity}, device_count{0}, result.negative_infinity);
    fold_into<sum_fold>(device_count{subnormal}, device_count{0}, result.subnormal);
    fold_into<sum_fold>(device_count{zero}, device_count{0}, result.zero);
    fold_into<sum_fold>(device_count{negative_zero}, device_count{0}, result.negative_zero);
}

inline constexpr unsigned low_numbers = 65536, coarse_bins = 256, fine_bins = 256;  // of the 16 bits that a bin leaves open

struct error_partial
{
    double squared, absolute, signal;
};

// Counts the lower 16 bits of the floats in wanted bins, and with `WithErrors` adds up the errors of round(w / scale) · scale.
// members: a bit for each 16 upper bits, slots: which of the tables [65,536] then. A thread that meets the same float again and again
// adds its number once.
template <bool WithErrors>
__global__ void __launch_bounds__(1024, 1) resolve_floats(strided_numbers<std::uint32_t> w, const unsigned* members, const unsigned char* slots,
                                                              unsigned* tables, double scale, error_partial* partials)
{
    constexpr unsigned words = 65536 / 32;
    __shared__ unsigned wanted[words];
    for (unsigned i = threadIdx.x; i < words; i += blockDim.x)
        wanted[i] = members[i];
    __syncthreads();
    double squared = 0, absolute = 0, signal = 0;
    std::uint32_t last = 0;
    unsigned run = 0;
    const auto settle = [&] {
        if (run > 0)
            atomicAdd(tables + slots[last >> 16] * std::size_t{low_numbers} + (last & 0xffffu), run);
    };
    const auto divisor = exact_divisor::of(scale);
    visit_numbers(w, [&](std::uint32_t bits, std::size_t) {
        if (!is_finite(bits))
            return;
        const unsigned bin = bits >> 16;
        if ((wanted[bin / 32] >> bin % 32 & 1u) != 0) {
            if (bits != last) {
                settle();
                last = bits;
                run = 0;
            }
            ++run;
        }
        if constexpr (WithErrors) {
            const double x = static_cast<double>(bits_as<float>(bits));
            const double error = rounding_error(x, divisor);
            squared += error * error;
            absolute += fabs(error);
            signal += x * error;
        }
    });
    settle();
    if constexpr (WithErrors) {
        fold_into<sum_fold>(squared, 0.0, partials[blockIdx.x].squared);
        fold_into<sum_fold>(absolute, 0.0, partials[blockIdx.x].absolute);
        fold_into<sum_fold>(signal, 0.0, partials[blockIdx.x].signal);
    }
}

// [slots, 256] sums of 256 neighbours of the tables: a warp for each.
template <class Count>
__global__ void __launch_bounds__(128) sum_tables(const Count* tables, Count* coarse)
{
    const unsigned place = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    Count sum = 0;
    for (unsigned i = lane; i < fine_bins; i += 32)
        sum += tables[std::size_t{place} * fine_bins + i];
    sum = team_sum<32>(sum);
    if (lane == 0)
        coarse[place] = sum;
}

// Brings rows of 256 counters together, one in each block.
template <class Count>
__global__ void __launch_bounds__(128) gather_rows(const Count* tables, const unsigned* places, Count* rows)
{
    for (unsigned i = threadIdx.x; i < fine_bins; i += blockDim.x)
        rows[std::size_t{blockIdx.x} * fine_bins + i] = tables[std::size_t{places[blockIdx.x]} * fine_bins + i];
}

// numbers[i] = w[first + i · step] of the numbers in their order.
template <class T>
__global__ void __launch_bounds__(256) gather_sample(strided_numbers<T> w, std::size_t first, std::size_t step, unsigned count, T* numbers)
{
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        const std::size_t at = first + i * step;
        numbers[i] = w.data[at / w.cols * w.row_stride + at % w.cols];
    }
}

}  // namespace weightscope::detail
