#pragma once
// The passes of element_survey.cuh over the memory of a device, and what the host makes of them.

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/first_pass_kernel.hpp>
#include <weightscope/analyzers/survey_moments.hpp>
#include <weightscope/analyzers/wanted_bins.hpp>
#include <weightscope/core/value_bins.hpp>
#include <weightscope/cuda/bins.cuh>
#include <weightscope/cuda/element_kernels.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/resolved_bins.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/cuda/workspace.cuh>

namespace weightscope::detail {

inline constexpr unsigned most_survey_threads = 1024;  // of a block, of which one fills a multiprocessor's memory

// How often each pattern of a type of 8 or 16 bits occurs. Waits.
template <class T>
std::vector<std::uint64_t> pattern_counts_of(const device_view<T>& view, cuda_workspace& workspace)
{
    constexpr std::size_t patterns = std::size_t{1} << (8 * sizeof(T));
    device_count* const totals = workspace.take_zeros<device_count>(patterns);
    if (view.size() == 0)
        return std::vector<std::uint64_t>(patterns);
    const unsigned survey_threads = workspace.threads(most_survey_threads);
    if constexpr (sizeof(T) == 1) {
        const auto numbers = numbers_of<unsigned char>(view);
        const unsigned blocks = blocks_for(tile_count(numbers, survey_threads), 2 * workspace.multiprocessors());
        launch(count_patterns_8<unsigned char>, "count_patterns_8", {.grid = blocks, .threads = survey_threads, .stream = view.stream}, numbers, totals);
    } else {
        const auto numbers = numbers_of<unsigned short>(view);
        const bin_parts parts = bin_parts_for(workspace.shared_bytes());
        const unsigned blocks = blocks_for(tile_count(numbers, survey_threads), workspace.multiprocessors());
        launch(count_patterns_16<unsigned short>, "count_patterns_16",
               {.grid = dim3(blocks, parts.parts), .threads = survey_threads, .shared_bytes = parts.shared_bytes(), .stream = view.stream}, numbers,
               parts.bins, totals);
    }
    const std::span<const device_count> found = workspace.to_host(static_cast<const device_count*>(totals), patterns);
    check_cuda(cudaStreamSynchronize(view.stream), "cudaStreamSynchronize");
    std::vector<std::uint64_t> counts(found.begin(), found.end());
    if constexpr (sizeof(T) == 2)
        counts[0] = view.size() - std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    return counts;
}

// A finite weight near the middle of the values, or 0. Waits. The same as on the host.
inline float central_weight(const device_view<float>& view, cuda_workspace& workspace)
{
    constexpr std::size_t sample_size = 1023;
    const std::size_t step = std::max<std::size_t>(1, view.size() / sample_size), first = step / 2;
    const auto count = static_cast<unsigned>((view.size() - first + step - 1) / step);
    auto* const sample = workspace.take<float>(count);
    const unsigned threads = workspace.threads(256);
    launch(gather_sample<float>, "gather_sample", {.grid = (count + threads - 1) / threads, .threads = threads, .stream = view.stream},
           numbers_of<float>(view), first, step, count, sample);
    const std::span<const float> found = workspace.to_host(static_cast<const float*>(sample), count);
    check_cuda(cudaStreamSynchronize(view.stream), "cudaStreamSynchronize");
    std::vector<float> numbers(found.begin(), found.end());
    std::erase_if(numbers, [](float w) { return !std::isfinite(w); });
    if (numbers.empty())
        return 0;
    const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
    std::nth_element(numbers.begin(), middle, numbers.end());
    return *middle;
}

// As first_pass() on the host. Waits.
inline first_pass_result first_pass(const device_view<float>& view, bool with_bins, cuda_workspace& workspace)
{
    const unsigned survey_threads = workspace.threads(most_survey_threads);
    const auto shift = static_cast<double>(central_weight(view, workspace));
    const auto numbers = numbers_of<std::uint32_t>(view);
    const unsigned blocks = blocks_for(tile_count(numbers, survey_threads), workspace.multiprocessors());
    const bin_parts parts = with_bins ? bin_parts_for(workspace.shared_bytes()) : bin_parts{.parts = 1, .bins = 0};
    auto* const totals = workspace.take_zeros<device_count>(value_bin_count);
    auto* const partials = workspace.take<survey_partial>(blocks);
    const launch_shape shape{.grid = dim3(blocks, parts.parts), .threads = survey_threads, .shared_bytes = parts.shared_bytes(), .stream = view.stream};
    launch(with_bins ? survey_floats<true> : survey_floats<false>, "survey_floats", shape, numbers, shift, parts.bins, totals, partials);
    const std::span<const survey_partial> found = workspace.to_host(static_cast<const survey_partial*>(partials), blocks);
    const std::span<const device_count> bins = workspace.to_host(static_cast<const device_count*>(totals), with_bins ? value_bin_count : 0);
    check_cuda(cudaStreamSynchronize(view.stream), "cudaStreamSynchronize");

    first_pass_sums<float> all;
    all.census.count = view.size();
    for (const survey_partial& part : found) {
        all.s1 += part.s1;
        all.s2 += part.s2;
        all.s3 += part.s3;
        all.s4 += part.s4;
        all.sum_magnitude += part.sum_magnitude;
        all.low = std::min(all.low, part.low);
        all.high = std::max(all.high, part.high);
        all.census.nan_count += part.nan;
        all.census.positive_infinity_count += part.positive_infinity;
        all.census.negative_infinity_count += part.negative_infinity;
        all.census.subnormal_count += part.subnormal;
        all.census.zero_count += part.zero;
        all.census.negative_zero_count += part.negative_zero;
    }
    first_pass_result result{.census = all.census, .moments = centre(all, shift), .bin_counts = std::vector<std::uint64_t>(value_bin_count)};
    for (std::size_t bin = 0; bin < bins.size(); ++bin)
        if ((bin & 0x7fff) < finite_magnitude_bins)
            result.bin_counts[ascending_bin(static_cast<std::uint32_t>(bin))] = bins[bin];
    if (with_bins) {  // zeros are counted apart
        result.bin_counts[0x8000] += all.census.zero_count - all.census.negative_zero_count;
        result.bin_counts[0x7fff] += all.census.negative_zero_count;
    }
    return result;
}

// Reads the numbers for up to 256 wanted bins, and at least once if `errors` has a scale; adds to its sums. Waits.
inline void second_pass(const device_view<float>& view, std::span<const wanted_bin> wanted, quantization_error_sums& errors, resolved_bins& values,
                        cuda_workspace& workspace)
{
    constexpr std::size_t at_once = 256;  // tables of 256 KiB
    constexpr std::size_t words = 65536 / 32;
    const unsigned survey_threads = workspace.threads(most_survey_threads);
    const auto numbers = numbers_of<std::uint32_t>(view);
    const unsigned blocks = blocks_for(tile_count(numbers, survey_threads), 2 * workspace.multiprocessors());
    bool errors_wanted = errors.scale > 0;
    auto* const partials = workspace.take<error_partial>(blocks);
    auto* const members = workspace.take<unsigned>(words);
    auto* const slots = workspace.take<unsigned char>(65536);
    auto* const tables = workspace.take<unsigned>(std::min(wanted.size(), at_once) * low_numbers);
    auto* const coarse = workspace.take<unsigned>(std::min(wanted.size(), at_once) * coarse_bins);
    while (!wanted.empty() || errors_wanted) {
        const auto resolved = wanted.first(std::min(wanted.size(), at_once));
        wanted = wanted.subspan(resolved.size());
        std::vector<unsigned> member_words(words);
        std::vector<unsigned char> slot_of(65536);
        for (std::size_t slot = 0; slot < resolved.size(); ++slot) {
            const std::uint32_t bin = signed_magnitude_of_bin(resolved[slot].bin);
            member_words[bin / 32] |= 1u << bin % 32;
            slot_of[bin] = static_cast<unsigned char>(slot);
        }
        copy_to_device(std::span<const unsigned>(member_words), members, view.stream);
        copy_to_device(std::span<const unsigned char>(slot_of), slots, view.stream);
        if (!resolved.empty())
            check_cuda(cudaMemsetAsync(tables, 0, resolved.size() * low_numbers * sizeof(unsigned), view.stream), "cudaMemsetAsync");
        launch(errors_wanted ? resolve_floats<true> : resolve_floats<false>, "resolve_floats",
               {.grid = blocks, .threads = survey_threads, .stream = view.stream}, numbers, members, slots, tables,
               errors.scale, partials);
        const std::span<const error_partial> found = workspace.to_host(static_cast<const error_partial*>(partials), errors_wanted ? blocks : 0);
        if (!resolved.empty()) {
            constexpr unsigned threads = 128, rows_per_block = threads / 32;
            launch(sum_tables<unsigned>, "sum_tables",
                   {.grid = static_cast<unsigned>(resolved.size() * coarse_bins / rows_per_block), .threads = threads, .stream = view.stream}, tables, coarse);
            values.add_tables(resolved, tables, coarse, !wanted.empty(), workspace);
        } else {
            check_cuda(cudaStreamSynchronize(view.stream), "cudaStreamSynchronize");
        }
        for (const error_partial& part : found) {
            errors.squared_error += part.squared;
            errors.absolute_error += part.absolute;
            errors.signal_error += part.signal;
        }
        errors_wanted = false;
    }
}

}  // namespace weightscope::detail
