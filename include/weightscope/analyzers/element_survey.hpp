#pragma once

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE element_survey survey_source(const weight_source& weights, const element_questions& questions);

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

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/element_survey.hpp>
#endif
