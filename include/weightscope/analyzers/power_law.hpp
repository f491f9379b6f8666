#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

/// What is a candidate for xmin, and a step of the tail's distribution function.
enum class power_law_convention
{
    clauset,       ///< each different value is one
    weightwatcher  ///< each value is one, equal ones too: candidates in the midst of equal values have the tail begin there
};

struct power_law_options
{
    std::size_t min_tail = 2;  ///< candidates for xmin leave so many values in the tail; 2 at least
    double xmin = 0;           ///< the tail begins at the first value that reaches it; 0: where the distance is least
    double xmax = 0;           ///< values above it are left out; 0: none is
    power_law_convention convention = power_law_convention::clauset;
};

struct power_law_result
{
    metric alpha = {};             ///< exponent, above 1
    metric xmin = {};              ///< one of the values: the tail is what lies at or above it
    metric xmax = {};              ///< largest value
    metric ks_distance = {};       ///< between the tail and the law, 0 to 1
    metric alpha_error = {};       ///< standard error of alpha: (alpha - 1) / √tail_count
    std::size_t tail_count = 0;    ///< values at or above xmin
    std::size_t value_count = 0;   ///< values that were fitted: positive ones up to xmax
};

namespace detail {

WEIGHTSCOPE_INLINE power_law_result no_power_law(const char* reason, std::size_t count);

WEIGHTSCOPE_INLINE power_law_result fit_power_law(std::vector<double> values, const power_law_options& options);

}  // namespace detail

/// A power law fitted to the upper tail of `values`, and where that tail begins.
///
///     p(x) ~ x^-α  for x >= xmin,   α = 1 + n / Σ ln(x / xmin),   D = max |1 - (x / xmin)^(1-α) - share of the tail below x|
///
/// Of all values as xmin the one with the least D is taken: the exact minimum, in far less than the n² steps of trying each.
///
/// @param values   any rank; NaN, infinities and what is not positive are left out
/// @param options  see power_law_options
/// @return         see power_law_result; metrics are missing with the reason "too few values", "all equal" or "too few values above xmin"
/// @note           a copy of the values and four numbers for each. D looks at the lower side of each step, as the program of Clauset et
///                 al. does: the two-sided distance of distinct values is larger by at most 1 / tail_count.
/// @see            Clauset, Shalizi & Newman 2009, arXiv:0706.1062
/// @throws std::invalid_argument  options.xmin or options.xmax is negative or NaN
template <tensor W>
[[nodiscard]] power_law_result fit_power_law(const W& values, const power_law_options& options = {})
{
    require(options.xmin >= 0, "fit_power_law(values, options): options.xmin is {}, expected 0 or more", options.xmin);
    require(options.xmax >= 0, "fit_power_law(values, options): options.xmax is {}, expected 0 or more", options.xmax);
    return detail::with_source(values, [&](const auto& source) { return detail::fit_power_law(detail::to_doubles(source), options); });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/power_law.hpp>
#endif
