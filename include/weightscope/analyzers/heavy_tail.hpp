#pragma once

#include <cmath>
#include <cstddef>

#include <weightscope/analyzers/power_law.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>

namespace weightscope {

struct heavy_tail_options
{
    power_law_options fit = {.min_tail = 10};  ///< of the eigenvalues
    bool ww_compat = false;                    ///< fit what WeightWatcher fits on a processor: see analyze_heavy_tail
};

/// Figures of the eigenvalues λ = σ² of WᵀW.
struct heavy_tail_result
{
    power_law_result fit = {};       ///< of their upper tail
    metric alpha_weighted = {};      ///< α log10 λ_max
    metric log_alpha_norm = {};      ///< log10 Σ λ^α
    metric log_norm = {};            ///< log10 Σ λ, the squared Frobenius norm
    metric log_spectral_norm = {};   ///< log10 λ_max
    metric entropy = {};             ///< -Σ p ln p / ln n, p = λ / Σλ: 0 for one direction, 1 for a flat spectrum
};

namespace detail {

WEIGHTSCOPE_INLINE heavy_tail_result no_heavy_tail(const char* reason, std::size_t count = 0);

WEIGHTSCOPE_INLINE heavy_tail_result heavy_tail_of(const singular_values_result& spectrum, const heavy_tail_options& options);

}  // namespace detail

/// How heavy the upper tail of a matrix's spectrum is: a power law fitted to the eigenvalues of WᵀW, and norms weighted by it.
///
/// Eigenvalues that double precision cannot tell from 0 stay out of the fit. With options.ww_compat the fit is WeightWatcher's: those
/// above 1e-5, tails of two values or more, equal eigenvalues as steps of their own.
///
/// @param weights  rank 2 or more, seen as [out, in * kernel]
/// @param options  see heavy_tail_options
/// @return         see heavy_tail_result; α below 2 is called over-trained and above 6 under-trained by its authors, whose reading is
///                 disputed: look at alpha_error and ks_distance too
/// @throws std::invalid_argument  rank below 2, or an entry is not finite
/// @note           cost and memory as in analyze_singular_values
/// @see            Martin & Mahoney 2021, arXiv:1810.01075; Martin, Peng & Mahoney 2021, arXiv:2002.06716
template <tensor W>
[[nodiscard]] heavy_tail_result analyze_heavy_tail(const W& weights, const heavy_tail_options& options = {})
{
    return detail::with_matrix(weights, "analyze_heavy_tail(weights)", [&](const detail::matrix_source& matrix) {
        const double largest = detail::max_magnitude(matrix.elements);
        require(std::isfinite(largest), "analyze_heavy_tail(weights): an entry is {}, expected finite", largest);
        return detail::heavy_tail_of(detail::singular_values(matrix, largest, {}), options);
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/heavy_tail.hpp>
#endif
