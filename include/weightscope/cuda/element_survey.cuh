#pragma once

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/survey_moments.hpp>
#include <weightscope/analyzers/survey_streamed.hpp>
#include <weightscope/analyzers/survey_weighted.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/cuda/resolved_bins.cuh>
#include <weightscope/cuda/survey_passes.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/workspace.cuh>

namespace weightscope {

namespace detail {

// Below this many numbers the host sorts them sooner than a device is asked.
inline constexpr std::size_t host_survey_limit = std::size_t{1} << 14;

template <class T>
element_survey survey_patterns(const device_view<T>& view, const element_questions& questions, cuda_workspace& workspace)
{
    using pattern = typename T::bits_type;
    const auto decoded = [](std::size_t code) { return static_cast<double>(static_cast<float>(T::from_bits(static_cast<pattern>(code)))); };
    return survey_counts(pattern_counts_of(view, workspace), decoded, static_cast<double>(T::min_normal), questions);
}

inline element_survey survey_floats_of(const device_view<float>& view, const element_questions& questions, cuda_workspace& workspace)
{
    const bool ordered = questions.outliers || questions.histogram_bins || !questions.percentiles.empty()
                      || !questions.magnitude_percentiles.empty() || !questions.thresholds.empty();
    first_pass_result first = first_pass(view, ordered, workspace);
    binned_values<float> bins(std::move(first.bin_counts));
    if (ordered)
        bins.plan(questions);
    const double levels = questions.quantization_bits ? symmetric_levels(questions.quantization_bits) : 0;
    element_survey begun{.census = first.census, .moments = first.moments};
    begun.quantization.scale = levels > 0 ? begun.max_magnitude() / levels : 0;
    resolved_bins values(bins.ranks());
    second_pass(view, bins.wanted_bins(), begun.quantization, values, workspace);

    element_survey survey;
    do {
        survey = begun;
        answer_order_questions(values, questions, survey);
    } while (values.fetch_missing(workspace));
    if (questions.histogram_bins)
        survey.histogram = histogram_of(bins, survey.moments, questions.histogram_bins);
    return survey;
}

}  // namespace detail

/// survey_elements for numbers in the memory of a device.
///
/// @param weights    float, float16, bfloat16 or a type of 8 bits
/// @param questions  what to answer
/// @param workspace  of the same stream
/// @return           census, percentiles, quartiles, every count and the histogram are exactly those of the host's function; for types of
///                   up to 16 bits all figures are. Sums of floats differ by their order, less than 1e-12 of the sum of magnitudes
/// @throws std::invalid_argument  a view that describes no memory, 2^32 numbers or more
/// @throws cuda_error             a call of CUDA failed
/// @note             up to 16 bits: one pass. float: two passes, one for moments alone. Below 2^14 numbers they are copied to the host.
///                   Waits for the stream. Same bits from run to run on one kind of device, whose multiprocessors share the sums out
template <class T>
[[nodiscard]] element_survey survey_elements(const device_view<T>& weights, const element_questions& questions, cuda_workspace& workspace)
{
    detail::require_view(weights, "survey_elements(weights, questions)");
    require(weights.size() <= std::numeric_limits<unsigned>::max(), "survey_elements(weights, questions): weights have {} numbers, expected fewer than 2^32",
            weights.size());
    require(weights.stream == workspace.stream(), "survey_elements(weights, questions, workspace): the workspace is of another stream than the weights");
    workspace.start_call();
    if (weights.size() <= detail::host_survey_limit) {
        const std::vector<T> copy = detail::copy_of(weights);
        return detail::survey_source(detail::source_of(std::span<const T>(copy)), questions);
    }
    if constexpr (std::same_as<T, float>)
        return detail::survey_floats_of(weights, questions, workspace);
    else
        return detail::survey_patterns(weights, questions, workspace);
}

template <class T>
[[nodiscard]] element_survey survey_elements(const device_view<T>& weights, const element_questions& questions)
{
    cuda_workspace workspace(weights.stream);
    return survey_elements(weights, questions, workspace);
}

}  // namespace weightscope
