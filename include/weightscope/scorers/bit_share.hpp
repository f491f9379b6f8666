#pragma once

#include <cstddef>
#include <span>

#include <weightscope/core/compiled.hpp>

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

WEIGHTSCOPE_INLINE double share_quantile(double confidence, const char* caller);

WEIGHTSCOPE_INLINE share_estimate wilson_interval(const counted_sample& seen, double z, const char* caller);

WEIGHTSCOPE_INLINE share_estimate stratified_share(std::span<const counted_sample> strata, double z, const char* caller);

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
[[nodiscard]] WEIGHTSCOPE_INLINE share_estimate wilson_interval(const counted_sample& seen, double confidence = 0.95);

/// The share in a population of strata that were sampled apart.
///
///     p = Σ W_s p_s,   p ± √(Σ W_s² d_s²),   W_s = population_s / Σ population,   d_s = distance from p_s to the end of its Wilson interval
///
/// @param strata  with their populations; strata without one count for nothing
/// @return        the Wilson interval itself where there is one stratum; wider than need be where many strata have few samples each
/// @throws std::invalid_argument  as wilson_interval()
/// @see    Zou & Donner 2008, doi:10.1002/sim.3095
[[nodiscard]] WEIGHTSCOPE_INLINE share_estimate stratified_share(std::span<const counted_sample> strata, double confidence = 0.95);

/// How many of a population must be looked at so that a share is known to ±margin, whatever it is.
///
///     n = N / (1 + e² (N - 1) / (z² / 4))
///
/// @param population  0: without end, n = z² / 4e²
/// @param margin      e, half the interval's width, above 0
/// @return            rounded to the nearest number, at most the population: 9604 for 1 % at 95 %, however large the population
/// @throws std::invalid_argument  margin or confidence out of range
/// @see    Leveugle, Calvez, Maistri & Vanhauwaert 2009, doi:10.1109/DATE.2009.5090716
[[nodiscard]] WEIGHTSCOPE_INLINE std::size_t failing_share_sample_size(std::size_t population, double margin, double confidence = 0.95);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_share.hpp>
#endif
