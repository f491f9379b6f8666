#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/survey_streamed.hpp>
#include <weightscope/analyzers/survey_weighted.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

namespace detail {

// Below this many elements sorting them is cheaper than two passes with their tables.
inline constexpr std::size_t sort_limit = std::size_t{1} << 14;

WEIGHTSCOPE_INLINE element_survey survey_source(const weight_source& weights, const element_questions& questions)
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

}  // namespace weightscope
