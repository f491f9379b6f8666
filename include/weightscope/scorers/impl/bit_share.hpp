#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/special.hpp>
#include <weightscope/scorers/bit_share.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE double share_quantile(double confidence, const char* caller)
{
    require(confidence > 0 && confidence < 1, "{}: confidence is {}, expected above 0 and below 1", caller, confidence);
    return inverse_normal_cdf(0.5 + confidence / 2);
}

WEIGHTSCOPE_INLINE share_estimate wilson_interval(const counted_sample& seen, double z, const char* caller)
{
    require(seen.hits <= seen.sample, "{}: {} hits in a sample of {}, expected at most as many", caller, seen.hits, seen.sample);
    require(seen.population == 0 || seen.sample <= seen.population, "{}: a sample of {} from {} things, expected at most as many", caller, seen.sample,
            seen.population);
    if (seen.sample == 0)
        return {};
    const double hits = static_cast<double>(seen.hits), size = static_cast<double>(seen.sample), share = hits / size;
    if (seen.sample == seen.population)
        return {share, share, share};
    // a sample without replacement says as much as a larger one with it
    const double n = seen.population == 0 ? size
                                          : size * (static_cast<double>(seen.population) - 1) / static_cast<double>(seen.population - seen.sample);
    const double middle = (share + z * z / (2 * n)) / (1 + z * z / n);
    const double half = z / (1 + z * z / n) * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
    return {share, seen.hits == 0 ? 0.0 : std::max(middle - half, 0.0), seen.hits == seen.sample ? 1.0 : std::min(middle + half, 1.0)};
}

WEIGHTSCOPE_INLINE share_estimate stratified_share(std::span<const counted_sample> strata, double z, const char* caller)
{
    double population = 0;
    for (const counted_sample& s : strata)
        population += static_cast<double>(s.population);
    share_estimate result{.share = 0, .lower = 0, .upper = 0};
    double below = 0, above = 0;
    for (const counted_sample& s : strata) {
        if (s.population == 0)
            continue;
        const double weight = static_cast<double>(s.population) / population;
        const share_estimate part = wilson_interval(s, z, caller);
        result.share += weight * part.share;
        below += weight * weight * (part.share - part.lower) * (part.share - part.lower);
        above += weight * weight * (part.upper - part.share) * (part.upper - part.share);
    }
    result.lower = std::max(result.share - std::sqrt(below), 0.0);
    result.upper = std::min(result.share + std::sqrt(above), 1.0);
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE share_estimate wilson_interval(const counted_sample& seen, double confidence)
{
    constexpr auto caller = "wilson_interval(seen, confidence)";
    return detail::wilson_interval(seen, detail::share_quantile(confidence, caller), caller);
}

WEIGHTSCOPE_INLINE share_estimate stratified_share(std::span<const counted_sample> strata, double confidence)
{
    constexpr auto caller = "stratified_share(strata, confidence)";
    return detail::stratified_share(strata, detail::share_quantile(confidence, caller), caller);
}

WEIGHTSCOPE_INLINE std::size_t failing_share_sample_size(std::size_t population, double margin, double confidence)
{
    constexpr auto caller = "failing_share_sample_size(population, margin, confidence)";
    require(margin > 0 && std::isfinite(margin), "{}: margin is {}, expected above 0", caller, margin);
    const double z = detail::share_quantile(confidence, caller), unlimited = z * z / (4 * margin * margin);
    const double size = static_cast<double>(population);
    const double wanted = population == 0 ? unlimited : size / (1 + (size - 1) / unlimited);
    const auto whole = static_cast<std::size_t>(std::nearbyint(std::max(wanted, 1.0)));
    return population == 0 ? whole : std::min(whole, population);
}

}  // namespace weightscope
