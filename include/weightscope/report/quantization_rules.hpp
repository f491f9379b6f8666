#pragma once
// Rules about how weights fit into few bits: outliers, rounding error, range, subnormals.

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope {

/// From this SQNR on a quantized layer is called good: 0.1 % of its energy is error.
inline constexpr double good_sqnr_db = 30;

namespace detail {

// Where more than a quarter of the weights are zero the quartiles close in and any weight looks extreme: with a third of a Gaussian
// set to zero 1.7 % lie beyond 3 IQR. Below 1,000 weights a single one is too large a share.
WEIGHTSCOPE_INLINE rule outliers_rule();

WEIGHTSCOPE_INLINE rule quantization_sqnr_rule();

WEIGHTSCOPE_INLINE rule channel_sqnr_rule();

WEIGHTSCOPE_INLINE rule group_sqnr_rule();

// Gaussian weights give 5 (a thousand of them) to 8 (a thousand million).
WEIGHTSCOPE_INLINE rule dynamic_range_rule();

// The SQNR alone does not tell: once the largest weight is so large that all others round to 0, making it larger still raises the
// SQNR, whose signal it is.
WEIGHTSCOPE_INLINE rule rounded_away_rule();

WEIGHTSCOPE_INLINE rule subnormals_rule();

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/quantization_rules.hpp>
#endif
