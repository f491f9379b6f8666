#pragma once

#include <cstddef>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

namespace detail {

// Probability that Student's t with n degrees of freedom is at most x: the finite sums for whole n.
WEIGHTSCOPE_INLINE double student_t_cdf(double x, std::size_t n);

}  // namespace detail

/// The number below which Student's t lies with probability `p`: how many standard errors a mean of few values may be off.
///
/// @param p                   probability, (0, 1)
/// @param degrees_of_freedom  1 or more
/// @return                    relative error below 1e-10; for many degrees of freedom the normal quantile
/// @throws std::invalid_argument  p or degrees_of_freedom is out of range
/// @see    Abramowitz & Stegun 1964, 26.7.3, 26.7.4 and 26.7.5
[[nodiscard]] WEIGHTSCOPE_INLINE double student_t_quantile(double p, std::size_t degrees_of_freedom);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/student_t.hpp>
#endif
