#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/power_law.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/metric.hpp>

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

// log10 Σ λ^power without a power that overflows.
inline double log10_sum_of_powers(std::span<const double> eigenvalues, double power, double largest)
{
    double sum = 0;
    for (const double x : eigenvalues)
        sum += x > 0 ? std::exp(power * std::log(x / largest)) : 0;
    return power * std::log10(largest) + std::log10(sum);
}

inline double relative_entropy(std::span<const double> eigenvalues, double sum)
{
    double entropy = 0;
    for (const double x : eigenvalues) {
        const double p = x / sum;
        entropy -= p > 0 ? p * std::log(p) : 0;
    }
    return entropy / std::log(static_cast<double>(eigenvalues.size()));
}

inline heavy_tail_result no_heavy_tail(const char* reason, std::size_t count = 0)
{
    const auto none = metric::missing(reason);
    return {no_power_law(reason, count), none, none, none, none, none};
}

inline heavy_tail_result heavy_tail_of(const singular_values_result& spectrum, const heavy_tail_options& options)
{
    std::vector<double> eigenvalues, fitted;  // descending
    for (std::size_t i = 0; i < spectrum.values.size(); ++i) {
        const double sigma = spectrum.values[i], eigenvalue = sigma * sigma;
        eigenvalues.push_back(eigenvalue);
        if (options.ww_compat ? eigenvalue > 1e-5 : sigma > spectrum.half_widths[i])
            fitted.push_back(eigenvalue);
    }
    power_law_options fit = options.fit;
    if (options.ww_compat) {
        fit.min_tail = 2;
        fit.convention = power_law_convention::weightwatcher;
    }
    heavy_tail_result result{.fit = fit_power_law(std::move(fitted), fit)};
    double sum = 0;
    for (const double x : eigenvalues)
        sum += x;
    if (!(sum > 0) || !std::isfinite(sum)) {
        const char* reason = eigenvalues.empty() ? "no entries" : sum == 0 ? "all zero" : "squares overflow in double";
        return no_heavy_tail(reason, result.fit.value_count);
    }
    const double largest = eigenvalues.front();
    result.log_norm = std::log10(sum);
    result.log_spectral_norm = std::log10(largest);
    result.entropy = eigenvalues.size() > 1 ? metric(relative_entropy(eigenvalues, sum)) : metric::missing("one direction");
    const metric& alpha = result.fit.alpha;
    if (alpha.exists()) {
        result.alpha_weighted = alpha.value * std::log10(largest);
        result.log_alpha_norm = log10_sum_of_powers(eigenvalues, alpha.value, largest);
    } else {
        result.alpha_weighted = result.log_alpha_norm = alpha;
    }
    return result;
}

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
