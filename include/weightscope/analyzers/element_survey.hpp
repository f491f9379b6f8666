#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/survey_streamed.hpp>
#include <weightscope/analyzers/survey_weighted.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

namespace detail {

// Below this many elements sorting them is cheaper than two passes with their tables.
inline constexpr std::size_t sort_limit = std::size_t{1} << 14;

inline element_survey survey_source(const weight_source& weights, const element_questions& questions)
{
    if (weights.size <= sort_limit)
        return survey_by_sorting(weights, questions);
    if (weights.element_bytes == 1)
        return survey_by_patterns<std::uint8_t>(weights, questions);
    if (weights.element_bytes == 2)
        return survey_by_patterns<std::uint16_t>(weights, questions);
    if (weights.is_float)
        return survey_by_passes(weights.as<float>(), questions);
    if (weights.is_double)
        return survey_by_passes(weights.as<double>(), questions);
    const std::vector<double> copy = to_doubles(weights);
    return survey_by_passes(std::span<const double>(copy), questions);
}

}  // namespace detail

/// Answers several questions about the elements of a tensor together, in as few passes over memory as they need.
/// analyze_basic_stats, analyze_quantization_sensitivity and analyze_sparsity are thin shells over it.
///
/// All figures are exact: moments are sums in double in a fixed order, percentiles are true order statistics, counts are
/// counts. They are computed on the finite entries; the census says how many others there are.
///
/// @param weights    any rank, layout and weight scalar; integers of more than 53 bits are rounded to double
/// @param questions  what to answer; what is not asked for is left at its default
/// @return           see element_survey
/// @note             types of up to 16 bits: one pass, a histogram of the bit patterns is a sufficient statistic. float and
///                   double: one pass for moments alone, a second one for order statistics and quantization errors.
///                   Memory beyond the input: up to 16 MiB a thread (double: copies the elements near the asked ranks).
///                   Same bits for any number of threads.
template <tensor W>
[[nodiscard]] element_survey survey_elements(const W& weights, const element_questions& questions)
{
    return detail::with_source(weights, [&](const auto& source) { return detail::survey_source(source, questions); });
}

}  // namespace weightscope
