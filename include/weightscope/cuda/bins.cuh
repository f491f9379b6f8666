#pragma once
// Histograms of up to 65,536 bins: counters of 16 bits in a block's shared memory, which are 128 KiB.

#include <weightscope/cuda/error.cuh>

#include <cstddef>

#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/visit.cuh>

namespace weightscope::detail {

using device_count = unsigned long long;  // what devices add to in one step

// The bins [first, first + count) of a histogram, two counters in a word. The thread that takes a counter to 2^15 gives that much to the
// total; those that come after it wait until that is done, so that each of up to 1024 threads adds no more than what it has under way, and
// no counter runs over into its neighbour. What is not counted adds nothing to a word that each lane has for itself, which costs less
// than to branch around it.
class shared_bins
{
public:
    static constexpr unsigned spare_words = 32;

    __device__ shared_bins(unsigned first, unsigned count, device_count* totals)
        : words_(launched_shared<unsigned>()), first_(first), count_(count), totals_(totals)
    {
        for (unsigned i = threadIdx.x; i < count_ / 2 + spare_words; i += blockDim.x)
            words_[i] = 0;
        __syncthreads();
    }

    // Adds those of up to 16 numbers for which counted(i) says so.
    template <unsigned Count, class Bin, class Counted>
    __device__ void add(const Bin& bin, const Counted& counted) const
    {
        static_assert(Count <= 16);
        unsigned before[Count];
        unrolled<Count>([&](unsigned i) {
            const unsigned place = bin(i) - first_;
            const bool counts = counted(i) && place < count_;
            const unsigned at = counts ? place : count_ + 2 * (threadIdx.x % spare_words), shift = at % 2 * 16;
            before[i] = atomicAdd(words_ + at / 2, unsigned{counts} << shift) >> shift & 0xffffu;
        });
        unsigned most = 0;
        unrolled<Count>([&](unsigned i) { most = before[i] > most ? before[i] : most; });
        if (most < half - 1)
            return;
        unrolled<Count>([&](unsigned i) {
            if (before[i] == half - 1)
                give_half(bin(i));
        });
        unrolled<Count>([&](unsigned i) {  // after it has given, since others may wait for that
            if (before[i] >= half)
                wait_for_half(bin(i) - first_);
        });
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

    __device__ void give_half(unsigned bin) const
    {
        const unsigned place = bin - first_;
        atomicSub(words_ + place / 2, half << place % 2 * 16);
        atomicAdd(totals_ + bin, device_count{half});
    }
    __device__ void wait_for_half(unsigned place) const
    {
        const volatile unsigned* word = words_ + place / 2;
        while ((*word >> place % 2 * 16 & half) != 0)
            continue;
    }

    unsigned* words_;
    unsigned first_, count_;
    device_count* totals_;
};

// How 65,536 bins are shared out where a block has not the memory for all: `parts` blocks then look at the same numbers.
struct bin_parts
{
    unsigned parts = 1, bins = 65536;

    [[nodiscard]] std::size_t shared_bytes() const { return 2 * std::size_t{bins} + shared_bins::spare_words * sizeof(unsigned); }
};

[[nodiscard]] inline bin_parts bin_parts_for(std::size_t shared_bytes_of_block)
{
    bin_parts result;
    while (result.shared_bytes() > shared_bytes_of_block && result.bins > 2) {
        result.parts *= 2;
        result.bins /= 2;
    }
    return result;
}

// How often each pattern of 16 bits but 0 occurs: zeros, of which pruned tensors are full, would all meet in one counter, and are what is left.
template <class Pattern>
__global__ void __launch_bounds__(1024, 1) count_patterns_16(strided_numbers<Pattern> w, unsigned bins, device_count* totals)
{
    const shared_bins counters(blockIdx.y * bins, bins, totals);
    const auto add = [&]<unsigned Count>(const Pattern(&patterns)[Count]) {
        counters.add<Count>([&](unsigned i) { return unsigned{patterns[i]}; }, [&](unsigned i) { return patterns[i] != 0; });
    };
    visit_packs(
        w, [&](const number_pack<Pattern>& pack, std::size_t) { add(pack.values); },
        [&](Pattern pattern, std::size_t) { add({pattern}); });
    counters.finish();
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
