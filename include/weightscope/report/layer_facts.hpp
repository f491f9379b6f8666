#pragma once
// Questions that rules and plans ask of one layer's figures.

#include <cstddef>
#include <optional>
#include <string_view>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// Rank from which two factors [rows, k] and [k, cols] hold more numbers than the matrix: m n / (m + n).
[[nodiscard]] WEIGHTSCOPE_INLINE double break_even_rank(std::size_t rows, std::size_t cols);

namespace detail {

// [out, in * kernel] as analysed
WEIGHTSCOPE_INLINE matrix_shape matrix_shape_of(const layer_result& layer);

// Not a tensor of a type that is only listed, and not one with a dimension of 0.
WEIGHTSCOPE_INLINE bool holds_numbers(const layer_result& layer);

WEIGHTSCOPE_INLINE bool is_matrix(const layer_result& layer);

// Integers are codes: exact as they are, and no sample of real numbers.
WEIGHTSCOPE_INLINE bool holds_integers(const layer_result& layer);

WEIGHTSCOPE_INLINE bool holds_real_matrix(const layer_result& layer);

// Not in codes of other integer types, whose zero point, or what is packed into them, stands elsewhere.
WEIGHTSCOPE_INLINE bool holds_matrix_with_zeros(const layer_result& layer);

// A scan has it for every tensor that it analyses; a result made by hand may have it in its statistics only.
WEIGHTSCOPE_INLINE std::optional<value_census> census_of(const layer_result& layer);

WEIGHTSCOPE_INLINE metric zeros_percentage(const layer_result& layer);

WEIGHTSCOPE_INLINE metric max_magnitude(const layer_result& layer);

// Whether "every |w| <= 1e-6" tells dead from small: not in a tensor that is small throughout, such as an optimizer's moments.
WEIGHTSCOPE_INLINE bool dead_means_dead(const layer_result& layer);

WEIGHTSCOPE_INLINE std::optional<structured_sparsity_result> dead_units(const layer_result& layer);

// The rank that is left when dead rows and columns are taken away.
WEIGHTSCOPE_INLINE std::size_t available_rank(const layer_result& layer);

WEIGHTSCOPE_INLINE metric gaussian_condition_number_of(const layer_result& layer);

// 2 (1 - Φ(7 · 0.6745)) in percent: what lies beyond the 3 IQR fences.
WEIGHTSCOPE_INLINE metric gaussian_extreme_outliers(const layer_result&);

// An SQNR that does not exist because there is no error reaches any limit.
WEIGHTSCOPE_INLINE bool reaches_db(const metric& sqnr_db, double limit);

// The last part of a tensor's name: "bias" of "h.0.attn.bias".
WEIGHTSCOPE_INLINE std::string_view last_part(std::string_view name);

WEIGHTSCOPE_INLINE bool is_bias(const layer_result& layer);

WEIGHTSCOPE_INLINE bool is_norm_gain(const layer_result& layer);

WEIGHTSCOPE_INLINE bool is_embedding(const layer_result& layer);

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/layer_facts.hpp>
#endif
