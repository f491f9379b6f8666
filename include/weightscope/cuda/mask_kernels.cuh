#pragma once
// Kernels of masks.cuh.

#include <weightscope/cuda/error.cuh>

#include <cstddef>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/bins.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/visit.cuh>

namespace weightscope::detail {

using score_word = unsigned long long;
inline constexpr score_word no_score = ~score_word{0};

// An integer that orders as the scores do, with both zeros alike and NaN above all: the host's score_key.
__device__ inline score_word word_of_score(double score)
{
    const auto bits = bits_as<score_word>(score + 0.0);
    return score != score ? no_score : bits ^ ((0 - (bits >> 63)) | score_word{1} << 63);
}

// How many scores whose upper bits are `prefix` have each next 16 bits, [65,536]; NaN is counted apart.
template <class Real>
__global__ void __launch_bounds__(1024, 1) count_digits(strided_numbers<Real> scores, unsigned shift, score_word prefix, unsigned bins, device_count* totals,
                                                        device_count* nan_total)
{
    const shared_bins counters(blockIdx.y * bins, bins, totals);
    unsigned nan = 0;
    visit_numbers(scores, [&](Real score, std::size_t) {
        const score_word word = word_of_score(score);
        nan += word == no_score;
        counters.template add<1>([&](unsigned) { return static_cast<unsigned>(word >> shift & 0xffffu); },
                                 [&](unsigned) { return word != no_score && (shift == 48 || word >> (shift + 16) == prefix); });
    });
    counters.finish();
    if (blockIdx.y == 0 && nan > 0)
        atomicAdd(nan_total, device_count{nan});
}

// Marks scores below `cut`, and of those that are equal to it the ones before the tie number `ties_removed`. Blocks take `per_block`
// neighbours each, whole words. First run, without `before`: only counts the ties of each block. words: a bit for each score.
template <class Real>
__global__ void __launch_bounds__(256) mark_below(const Real* scores, std::size_t size, std::size_t per_block, score_word cut, std::size_t ties_removed,
                                                  const unsigned* before, unsigned* ties, unsigned* words)
{
    __shared__ unsigned of_warps[32];
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const std::size_t begin = blockIdx.x * per_block, end = begin + per_block < size ? begin + per_block : size;
    std::size_t seen = before ? before[blockIdx.x] : 0;
    for (std::size_t tile = begin; tile < end; tile += blockDim.x) {
        const std::size_t i = tile + threadIdx.x;
        const score_word word = i < end ? word_of_score(scores[i]) : no_score;
        const unsigned tied = __ballot_sync(whole_warp, word == cut);
        if (lane == 0)
            of_warps[warp] = static_cast<unsigned>(__popc(tied));
        __syncthreads();
        std::size_t rank = seen + static_cast<unsigned>(__popc(tied & ((1u << lane) - 1)));
        for (unsigned w = 0; w < warps; ++w) {
            rank += w < warp ? of_warps[w] : 0;
            seen += of_warps[w];
        }
        __syncthreads();
        if (before) {
            const unsigned removed = __ballot_sync(whole_warp, word < cut || (word == cut && rank < ties_removed));
            if (lane == 0 && i < end)
                words[i / 32] = removed;
        }
    }
    if (!before && threadIdx.x == 0)
        ties[blockIdx.x] = static_cast<unsigned>(seen);
}

// What selections in groups add up; the threshold as a word.
struct group_choice_sums
{
    device_count removed, tied, unscored;
    score_word threshold;  // largest word removed; 0 where nothing was
};

// Where the scores of a group lie: group g has first + g · group_step + i · step.
struct score_groups
{
    std::size_t count = 0, size = 0, group_step = 0, step = 1;
};

// A group of many scores for each block: removes the lowest `removed`, of equal ones the first. Words begin as zeros.
template <class Real>
__global__ void __launch_bounds__(256) select_in_rows(const Real* scores, score_groups groups, std::size_t removed_wanted, unsigned* words,
                                                      group_choice_sums* sums)
{
    constexpr unsigned digits = 256;
    __shared__ unsigned counts[digits], of_warps[32];
    __shared__ score_word shared_prefix;
    __shared__ std::size_t shared_rank, shared_tied;
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    for (std::size_t g = blockIdx.x; g < groups.count; g += gridDim.x) {
        const Real* row = scores + g * groups.group_step;
        unsigned nan = 0;
        for (std::size_t i = threadIdx.x; i < groups.size; i += blockDim.x)
            nan += word_of_score(row[i * groups.step]) == no_score;
        if (threadIdx.x == 0)
            counts[0] = 0;
        __syncthreads();
        atomicAdd(counts, nan);
        __syncthreads();
        const std::size_t unscored = counts[0], removed = removed_wanted < groups.size - unscored ? removed_wanted : groups.size - unscored;
        __syncthreads();
        if (threadIdx.x == 0) {
            atomicAdd(&sums->unscored, device_count{unscored});
            atomicAdd(&sums->removed, device_count{removed});
        }
        if (removed == 0)
            continue;  // the same for all threads
        score_word prefix = 0;
        std::size_t rank = removed, tied = 0;  // rank from 1 among those with the prefix
        for (unsigned shift = 64; shift > 0;) {
            shift -= 8;
            for (unsigned i = threadIdx.x; i < digits; i += blockDim.x)
                counts[i] = 0;
            __syncthreads();
            for (std::size_t i = threadIdx.x; i < groups.size; i += blockDim.x) {
                const score_word word = word_of_score(row[i * groups.step]);
                if (word != no_score && (shift == 56 || word >> (shift + 8) == prefix))
                    atomicAdd(counts + (word >> shift & 0xffu), 1u);
            }
            __syncthreads();
            if (threadIdx.x == 0) {
                unsigned digit = 0;
                std::size_t below = 0;
                while (below + counts[digit] < rank)
                    below += counts[digit++];
                shared_prefix = prefix << 8 | digit;
                shared_rank = rank - below;
                shared_tied = counts[digit];
            }
            __syncthreads();
            prefix = shared_prefix;
            rank = shared_rank;
            tied = shared_tied;
        }
        if (threadIdx.x == 0) {
            atomicAdd(&sums->tied, device_count{rank < tied ? tied : 0});
            atomicMax(&sums->threshold, prefix);
        }
        std::size_t seen = 0;
        for (std::size_t tile = 0; tile < groups.size; tile += blockDim.x) {
            const std::size_t i = tile + threadIdx.x;
            const score_word word = i < groups.size ? word_of_score(row[i * groups.step]) : no_score;
            const unsigned ties = __ballot_sync(whole_warp, word == prefix);
            if (lane == 0)
                of_warps[warp] = static_cast<unsigned>(__popc(ties));
            __syncthreads();
            std::size_t before = seen + static_cast<unsigned>(__popc(ties & ((1u << lane) - 1)));
            for (unsigned w = 0; w < warps; ++w) {
                before += w < warp ? of_warps[w] : 0;
                seen += of_warps[w];
            }
            if (word < prefix || (word == prefix && before < rank)) {
                const std::size_t place = g * groups.group_step + i * groups.step;
                atomicOr(words + place / 32, 1u << place % 32);
            }
            __syncthreads();
        }
    }
}

// Blocks of `of` neighbours of a group, one for each thread: removes the lowest `removed` of whole ones, `tail_removed` of the last.
template <class Real>
__global__ void __launch_bounds__(256) select_in_blocks(const Real* scores, score_groups groups, unsigned of, unsigned removed_wanted, unsigned tail_removed,
                                                        unsigned* words, group_choice_sums* sums)
{
    const std::size_t blocks = (groups.size + of - 1) / of;
    device_count removed_count = 0, tied_count = 0, unscored_count = 0;
    score_word threshold = 0;
    for (std::size_t b = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; b < blocks * groups.count; b += std::size_t{gridDim.x} * blockDim.x) {
        const std::size_t group = b / blocks, first = (b - group * blocks) * of, left = groups.size - first;
        const unsigned size = left < of ? static_cast<unsigned>(left) : of, wanted = size == of ? removed_wanted : tail_removed;
        const std::size_t begin = group * groups.group_step + first * groups.step;
        const auto word = [&](unsigned i) { return word_of_score(scores[begin + i * groups.step]); };
        unsigned unscored = 0;
        for (unsigned i = 0; i < size; ++i)
            unscored += word(i) == no_score;
        const unsigned removed = wanted < size - unscored ? wanted : size - unscored;
        unscored_count += unscored;
        removed_count += removed;
        if (removed == 0)
            continue;
        score_word cut = 0;
        unsigned below_cut = 0;
        for (unsigned i = 0; i < size; ++i) {
            const score_word own = word(i);
            unsigned before = 0, below = 0;
            for (unsigned j = 0; j < size; ++j) {
                const score_word other = word(j);
                below += other < own;
                before += other < own || (other == own && j < i);
            }
            if (before >= removed)
                continue;
            const std::size_t place = begin + i * groups.step;
            atomicOr(words + place / 32, 1u << place % 32);
            if (own >= cut) {
                cut = own;
                below_cut = below;
            }
        }
        unsigned tied = 0;
        for (unsigned i = 0; i < size; ++i)
            tied += word(i) == cut;
        tied_count += removed - below_cut < tied ? tied : 0;
        threshold = cut > threshold ? cut : threshold;
    }
    removed_count = team_sum<32>(removed_count);
    tied_count = team_sum<32>(tied_count);
    unscored_count = team_sum<32>(unscored_count);
    threshold = team_max<32>(threshold);
    if (threadIdx.x % 32 == 0) {
        atomicAdd(&sums->removed, removed_count);
        atomicAdd(&sums->tied, tied_count);
        atomicAdd(&sums->unscored, unscored_count);
        atomicMax(&sums->threshold, threshold);
    }
}

// Sets the weights whose bit is set to zero bytes.
template <class T>
__global__ void __launch_bounds__(256) zero_removed(T* weights, std::size_t size, const unsigned* words)
{
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += std::size_t{gridDim.x} * blockDim.x)
        if ((words[i / 32] >> i % 32 & 1u) != 0)
            weights[i] = T{};
}

}  // namespace weightscope::detail
