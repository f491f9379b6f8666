#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/row_kernel.hpp>
#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

namespace detail {

template <class Real>
row_survey survey_rows_as(const matrix_source& matrix, weight_source::reader<Real> read, int bits, std::size_t group_size)
{
    using key = typename row_kernel<Real>::key;
    const std::size_t cols = matrix.cols, group_count = (cols + group_size - 1) / group_size;
    const bool in_place = std::same_as<Real, float> ? matrix.elements.is_float : matrix.elements.is_double;
    struct thread_state
    {
        std::vector<Real> row, group_magnitudes;
        std::vector<key> column_magnitudes;
    };
    per_thread<thread_state> threads([&] {
        return thread_state{std::vector<Real>(cols), std::vector<Real>(group_count), std::vector<key>(cols)};
    });
    const std::size_t rows_per_chunk = std::max<std::size_t>(1, chunk_elements / cols);
    const auto partials = map_chunks(matrix.rows, rows_per_chunk, [&](std::size_t begin, std::size_t end) {
        thread_state& state = threads.local();
        row_survey sums;
        for (std::size_t i = begin; i < end; ++i) {
            const Real* row = state.row.data();
            if (in_place)
                row = matrix.elements.as<Real>().data() + i * cols;
            else
                read(matrix.elements.data, i * cols, cols, state.row.data());
            const auto take_groups = [&] {
                return dispatch(group_magnitudes_kernel<Real>{}, row, cols, group_size, state.group_magnitudes.data());
            };
            if (!std::isfinite(take_groups())) {
                std::transform(row, row + cols, state.row.begin(), [](Real x) { return std::isfinite(x) ? x : Real{0}; });
                row = state.row.data();
                take_groups();
            }
            const Real* ahead = in_place && i + 1 < end ? matrix.elements.as<Real>().data() + (i + 1) * cols : nullptr;
            dispatch(row_kernel<Real>{}, row, ahead, cols, group_size, symmetric_levels(bits), std::as_const(state.group_magnitudes).data(),
                     state.column_magnitudes.data(), &sums);
        }
        return sums;
    });

    row_survey result;
    for (const row_survey& part : partials) {
        result.sum_squares += part.sum_squares;
        result.channel_squared_error += part.channel_squared_error;
        result.group_squared_error += part.group_squared_error;
        result.dead_rows += part.dead_rows;
        result.two_of_four.groups += part.two_of_four.groups;
        result.two_of_four.satisfied += part.two_of_four.satisfied;
        result.four_of_eight.groups += part.four_of_eight.groups;
        result.four_of_eight.satisfied += part.four_of_eight.satisfied;
    }
    std::vector<key> columns(cols);
    for (const thread_state& state : threads)
        for (std::size_t j = 0; j < cols; ++j)
            columns[j] = std::max(columns[j], state.column_magnitudes[j]);
    result.dead_columns = static_cast<std::size_t>(std::count_if(columns.begin(), columns.end(), [](key magnitude) {
        return static_cast<double>(std::bit_cast<Real>(magnitude)) <= dead_magnitude;
    }));
    return result;
}

WEIGHTSCOPE_INLINE row_survey survey_rows(const matrix_source& matrix, int bits, std::size_t group_size)
{
    if (matrix.rows == 0 || matrix.cols == 0)
        return {};
    return matrix.elements.read_float ? survey_rows_as<float>(matrix, matrix.elements.read_float, bits, group_size)
                                      : survey_rows_as<double>(matrix, matrix.elements.read_double, bits, group_size);
}

}  // namespace detail

}  // namespace weightscope
