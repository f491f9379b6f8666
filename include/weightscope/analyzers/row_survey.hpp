#pragma once

#include <cstddef>

#include <weightscope/analyzers/row_kernel.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/require.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE row_survey survey_rows(const matrix_source& matrix, int bits, std::size_t group_size);

}  // namespace detail

/// Quantization error per channel and per group, dead rows and columns, and N:M patterns of a matrix, in one pass over its rows.
///
/// @param weights     rank 2 or more, seen as [out, in * kernel]
/// @param bits        2 to 16: width of the symmetric codes, scale = max|w| / (2^(bits-1) - 1), halves to even
/// @param group_size  neighbours along a row that share a scale; the last group of a row may be shorter
/// @throws std::invalid_argument  rank below 2, bits or group_size out of range
/// @note entries that are not finite count as zeros; one pass; same bits for any number of threads
template <tensor W>
[[nodiscard]] row_survey survey_rows(const W& weights, int bits = 8, std::size_t group_size = 128)
{
    require(bits >= 2 && bits <= 16, "survey_rows(weights, bits): bits is {}, expected 2 to 16", bits);
    require(group_size > 0, "survey_rows(weights, bits, group_size): group_size is 0, expected 1 or more");
    return detail::with_matrix(weights, "survey_rows(weights)", [&](const auto& matrix) { return detail::survey_rows(matrix, bits, group_size); });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/row_survey.hpp>
#endif
