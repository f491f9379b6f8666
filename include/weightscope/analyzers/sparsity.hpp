#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <vector>

#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

struct sparsity_options
{
    std::vector<double> thresholds = {0.0, 1e-6, 1e-4, 1e-2};  ///< magnitudes t >= 0: the share of |w| <= t is told for each
};

struct sparsity_level
{
    double threshold = 0;
    std::size_t count = 0;   ///< |w| <= threshold
    metric percentage = {};  ///< of the finite entries, 0 to 100
};

/// Whole rows and columns that do nothing, and patterns that sparse kernels can use. Rank 2 or more.
struct structured_sparsity_result
{
    std::size_t dead_rows = 0;             ///< every |w| of the row <= 1e-6: an output that is always its bias
    std::size_t dead_columns = 0;          ///< every |w| of the column <= 1e-6: an input that nobody reads
    metric dead_rows_percentage = {};      ///< 0 to 100
    metric dead_columns_percentage = {};   ///< 0 to 100
    metric two_of_four_percentage = {};    ///< complete runs of 4 along a row with at most 2 entries that are not zero, 0 to 100
    metric four_of_eight_percentage = {};  ///< complete runs of 8 with at most 4
};

struct magnitude_percentile
{
    int percent = 0;
    metric value = {};
};

struct sparsity_result
{
    std::vector<sparsity_level> sparsity_levels = {};
    std::optional<structured_sparsity_result> structured_sparsity = {};  ///< absent for rank 0 and 1
    std::vector<magnitude_percentile> magnitude_percentiles = {};        ///< 10, 25, 50, 75, 90 % of |w|
    metric mean_abs_weight = {};
    metric median_abs_weight = {};
};

namespace detail {

WEIGHTSCOPE_INLINE element_questions sparsity_questions(const sparsity_options& options);

inline metric percentage(std::size_t part, std::size_t whole, const char* none)
{
    return whole ? metric(100 * static_cast<double>(part) / static_cast<double>(whole)) : metric::missing(none);
}

WEIGHTSCOPE_INLINE structured_sparsity_result structured_sparsity_of(const row_survey& survey, std::size_t rows, std::size_t cols);

WEIGHTSCOPE_INLINE sparsity_result sparsity_of(const element_survey& survey, const sparsity_options& options);

}  // namespace detail

/// How much of a tensor is zero or nearly so, entry by entry and in whole rows, columns and N:M patterns.
///
/// @param weights  any rank, layout and weight scalar; rank 2 or more is seen as [out, in * kernel]
/// @param options  see sparsity_options
/// @return         see sparsity_result; computed on the finite entries, an entry that is not finite counts as zero in patterns
/// @throws std::invalid_argument  a threshold is negative or NaN
/// @note           percentiles are exact order statistics, linear between neighbours at rank (n-1)p; two passes, three for a matrix
/// @see            Mishra et al. 2021, arXiv:2104.08378 (2:4)
template <tensor W>
[[nodiscard]] sparsity_result analyze_sparsity(const W& weights, const sparsity_options& options = {})
{
    for (const double t : options.thresholds)
        require(t >= 0, "analyze_sparsity(weights, options): options.thresholds has {}, expected 0 or more", t);
    return detail::with_source(weights, [&](const detail::weight_source& source) {
        sparsity_result result = detail::sparsity_of(detail::survey_source(source, detail::sparsity_questions(options)), options);
        if (weights.dimension() >= 2) {
            const detail::matrix_source matrix = detail::matrix_of(source, weights.shape(0));
            result.structured_sparsity = detail::structured_sparsity_of(detail::survey_rows(matrix, 8, 128), matrix.rows, matrix.cols);
        }
        return result;
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/sparsity.hpp>
#endif
