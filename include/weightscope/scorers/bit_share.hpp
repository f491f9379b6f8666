#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include <weightscope/core/error.hpp>
#include <weightscope/core/special.hpp>

namespace weightscope {

/// A share of some things, estimated from a sample of them.
struct share_estimate
{
    double share = 0;
    double lower = 0;
    double upper = 1;
};

/// What was seen of things of one kind.
struct counted_sample
{
    std::size_t population = 0;  ///< how many there are; 0: without end
    std::size_t sample = 0;      ///< how many of them, all different, were looked at
    std::size_t hits = 0;        ///< how many of those count
};

namespace detail {

inline double share_quantile(double confidence, const char* caller)
{
    require(confidence > 0 && confidence < 1, "{}: confidence is {}, expected above 0 and below 1", caller, confidence);
    return inverse_normal_cdf(0.5 + confidence / 2);
}

inline share_estimate wilson_interval(const counted_sample& seen, double z, const char* caller)
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

inline share_estimate stratified_share(std::span<const counted_sample> strata, double z, const char* caller)
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

/// A share and its interval from a sample without replacement.
///
///     (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n),   n = sample · (population - 1) / (population - sample)
///
/// @param seen        hits, sample and population
/// @param confidence  of the interval, (0, 1)
/// @return            within [0, 1], closed on the side where all or none of the sample hit; a point where everything was looked at; 0 to 1
///                    where nothing was
/// @throws std::invalid_argument  more hits than sample, more sample than population, or confidence out of range
/// @see    Wilson 1927, doi:10.1080/01621459.1927.10502953
[[nodiscard]] inline share_estimate wilson_interval(const counted_sample& seen, double confidence = 0.95)
{
    constexpr auto caller = "wilson_interval(seen, confidence)";
    return detail::wilson_interval(seen, detail::share_quantile(confidence, caller), caller);
}

/// The share in a population of strata that were sampled apart.
///
///     p = Σ W_s p_s,   p ± √(Σ W_s² d_s²),   W_s = population_s / Σ population,   d_s = distance from p_s to the end of its Wilson interval
///
/// @param strata  with their populations; strata without one count for nothing
/// @return        the Wilson interval itself where there is one stratum; wider than need be where many strata have few samples each
/// @throws std::invalid_argument  as wilson_interval()
/// @see    Zou & Donner 2008, doi:10.1002/sim.3095
[[nodiscard]] inline share_estimate stratified_share(std::span<const counted_sample> strata, double confidence = 0.95)
{
    constexpr auto caller = "stratified_share(strata, confidence)";
    return detail::stratified_share(strata, detail::share_quantile(confidence, caller), caller);
}

/// How many of a population must be looked at so that a share is known to ±margin, whatever it is.
///
///     n = N / (1 + e² (N - 1) / (z² / 4))
///
/// @param population  0: without end, n = z² / 4e²
/// @param margin      e, half the interval's width, above 0
/// @return            rounded to the nearest number, at most the population: 9604 for 1 % at 95 %, however large the population
/// @throws std::invalid_argument  margin or confidence out of range
/// @see    Leveugle, Calvez, Maistri & Vanhauwaert 2009, doi:10.1109/DATE.2009.5090716
[[nodiscard]] inline std::size_t failing_share_sample_size(std::size_t population, double margin, double confidence = 0.95)
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
