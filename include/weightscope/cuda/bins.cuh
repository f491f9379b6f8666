#pragma once
// Histograms of up to 65,536 bins: counters of 16 bits in a block's shared memory, which are 128 KiB.

#include <weightscope/cuda/error.cuh>

#include <cstddef>

#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/visit.cuh>

namespace weightscope::detail {

using device_count = unsigned long long;  // what devices add to in one step

// The bins [first, first + count) of a histogram, two counters in a word. A counter that reaches 2^15 gives that much to the total
// at once: until that is done the other threads of the block can add no more than 2^10, so that none runs over into its neighbour.
class shared_bins
{
public:
    __device__ shared_bins(unsigned first, unsigned count, device_count* totals)
        : words_(launched_shared<unsigned>()), first_(first), count_(count), totals_(totals)
    {
        for (unsigned i = threadIdx.x; i < count_ / 2; i += blockDim.x)
            words_[i] = 0;
        __syncthreads();
    }

    __device__ void add(unsigned bin) const
    {
        const unsigned place = bin - first_;
        if (place >= count_)
            return;
        const unsigned shift = place % 2 * 16, old = atomicAdd(words_ + place / 2, 1u << shift) >> shift & 0xffffu;
        if (old == half - 1) {
            atomicSub(words_ + place / 2, half << shift);
            atomicAdd(totals_ + bin, device_count{half});
        }
    }

    // All threads of the block are done adding.
    __device__ void finish() const
    {
        __syncthreads();
        for (unsigned i = threadIdx.x; i < count_ / 2; i += blockDim.x) {
            const unsigned word = words_[i];
            if (word == 0)
                continue;
            if ((word & 0xffffu) != 0)
                atomicAdd(totals_ + first_ + 2 * i, device_count{word & 0xffffu});
            if (word >> 16 != 0)
                atomicAdd(totals_ + first_ + 2 * i + 1, device_count{word >> 16});
        }
    }

private:
    static constexpr unsigned half = 1u << 15;

    unsigned* words_;
    unsigned first_, count_;
    device_count* totals_;
};

// How 65,536 bins are shared out where a block has not the memory for all: `parts` blocks then look at the same numbers.
struct bin_parts
{
    unsigned parts = 1, bins = 65536;
    std::size_t shared_bytes = 2 * std::size_t{65536};
};

[[nodiscard]] inline bin_parts bin_parts_for(std::size_t shared_bytes_of_block)
{
    bin_parts result;
    while (result.shared_bytes > shared_bytes_of_block && result.bins > 2) {
        result.parts *= 2;
        result.bins /= 2;
        result.shared_bytes /= 2;
    }
    return result;
}

// How often each pattern of 16 bits occurs. Zeros, of which pruned tensors are full, never meet in one counter.
template <class Pattern>
__global__ void __launch_bounds__(1024, 1) count_patterns_16(strided_numbers<Pattern> w, unsigned bins, device_count* totals)
{
    const shared_bins counters(blockIdx.y * bins, bins, totals);
    unsigned zeros = 0;
    visit_numbers(w, [&](Pattern pattern, std::size_t) {
        if (pattern == 0)
            ++zeros;
        else
            counters.add(pattern);
    });
    counters.finish();
    if (blockIdx.y == 0 && zeros > 0)
        atomicAdd(totals, device_count{zeros});
}

// Patterns of 8 bits: eight tables, so that lanes seldom meet.
template <class Pattern>
__global__ void __launch_bounds__(1024, 1) count_patterns_8(strided_numbers<Pattern> w, device_count* totals)
{
    constexpr unsigned patterns = 256, tables = 8;
    __shared__ unsigned counters[patterns * tables];
    for (unsigned i = threadIdx.x; i < patterns * tables; i += blockDim.x)
        counters[i] = 0;
    __syncthreads();
    const unsigned table = threadIdx.x % tables;
    visit_numbers(w, [&](Pattern pattern, std::size_t) { atomicAdd(counters + pattern * tables + table, 1u); });
    __syncthreads();
    for (unsigned pattern = threadIdx.x; pattern < patterns; pattern += blockDim.x) {
        device_count sum = 0;
        for (unsigned t = 0; t < tables; ++t)
            sum += counters[pattern * tables + t];
        if (sum > 0)
            atomicAdd(totals + pattern, sum);
    }
}

}  // namespace weightscope::detail
