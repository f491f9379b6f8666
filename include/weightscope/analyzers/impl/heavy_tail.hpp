#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/heavy_tail.hpp>
#include <weightscope/analyzers/power_law.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>

namespace weightscope::detail {

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

WEIGHTSCOPE_INLINE heavy_tail_result no_heavy_tail(const char* reason, std::size_t count)
{
    const auto none = metric::missing(reason);
    return {no_power_law(reason, count), none, none, none, none, none};
}

WEIGHTSCOPE_INLINE heavy_tail_result heavy_tail_of(const singular_values_result& spectrum, const heavy_tail_options& options)
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

}  // namespace weightscope::detail
