#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/value_bins.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

/// Magnitude up to which a weight counts as dead when whole rows and columns are judged.
inline constexpr double dead_magnitude = 1e-6;

/// Complete runs of M neighbours along a row, and how many of them have at most N entries that are not zero.
struct n_of_m_count
{
    std::size_t groups = 0;
    std::size_t satisfied = 0;
};

/// What one more pass over the rows of a matrix finds out.
struct row_survey
{
    double sum_squares = 0;             ///< Σ w² over the finite entries
    double channel_squared_error = 0;   ///< Σ e² of symmetric quantization with one scale per row
    double group_squared_error = 0;     ///< Σ e² with one scale per `group_size` neighbours of a row
    std::size_t dead_rows = 0;          ///< rows whose every |w| <= dead_magnitude
    std::size_t dead_columns = 0;       ///< the same for columns
    n_of_m_count two_of_four = {};
    n_of_m_count four_of_eight = {};
};

namespace detail {

// One row of finite entries.
template <class Real>
struct row_kernel
{
    using bits = bits_of_value<Real>;
    // Σ e² of quantizing with this scale; 0 where the scale is 0, since every entry is
    [[gnu::always_inline]] static double squared_error(const Real* x, std::size_t count, double scale)
    {
        if (!(scale > 0))
            return 0;
        const std::size_t whole = count - count % lane_count;
        return squared_error_in<lane_count>(x, whole, scale) + squared_error_in<1>(x + whole, count - whole, scale);
    }

    template <std::size_t Width>
    [[gnu::always_inline]] static double squared_error_in(const Real* x, std::size_t count, double scale)
    {
        double lane[Width] = {}, sum = 0;
        for (std::size_t i = 0; i < count; i += Width)
            for (std::size_t l = 0; l < Width; ++l) {
                const double w = static_cast<double>(x[i + l]), error = w - std::nearbyint(w / scale) * scale;
                lane[l] += error * error;
            }
        for (std::size_t l = 0; l < Width; ++l)
            sum += lane[l];
        return sum;
    }

    template <std::size_t Width>
    [[gnu::always_inline]] static double sum_squares_in(const Real* x, std::size_t count)
    {
        double lane[Width] = {}, sum = 0;
        for (std::size_t i = 0; i < count; i += Width)
            for (std::size_t l = 0; l < Width; ++l)
                lane[l] += static_cast<double>(x[i + l]) * static_cast<double>(x[i + l]);
        for (std::size_t l = 0; l < Width; ++l)
            sum += lane[l];
        return sum;
    }

    template <std::size_t M>
    [[gnu::always_inline]] static void count_groups(const Real* x, std::size_t count, n_of_m_count* result)
    {
        result->groups += count / M;
        for (std::size_t group = 0; group + M <= count; group += M) {
            std::size_t nonzero = 0;
            for (std::size_t i = 0; i < M; ++i)
                nonzero += x[group + i] != 0;
            result->satisfied += nonzero <= M / 2;
        }
    }

    // column_magnitudes: bits of the largest magnitude seen in each column
    [[gnu::always_inline]] void operator()(const Real* row, std::size_t cols, std::size_t group_size, double levels,
                                           bits* column_magnitudes, row_survey* sums) const
    {
        double largest = 0;
        for (std::size_t begin = 0; begin < cols; begin += group_size) {
            const std::size_t size = cols - begin < group_size ? cols - begin : group_size;
            const auto group_largest = static_cast<double>(max_magnitude_kernel<Real>{}(row + begin, size));
            largest = group_largest > largest ? group_largest : largest;
            sums->group_squared_error += squared_error(row + begin, size, group_largest / levels);
        }
        sums->channel_squared_error += squared_error(row, cols, largest / levels);
        const std::size_t whole = cols - cols % lane_count;
        sums->sum_squares += sum_squares_in<lane_count>(row, whole) + sum_squares_in<1>(row + whole, cols - whole);
        sums->dead_rows += largest <= dead_magnitude;
        bits smallest = magnitude_mask<Real>;
        for (std::size_t j = 0; j < cols; ++j) {
            const bits magnitude = std::bit_cast<bits>(row[j]) & magnitude_mask<Real>;
            column_magnitudes[j] = magnitude > column_magnitudes[j] ? magnitude : column_magnitudes[j];
            smallest = magnitude < smallest ? magnitude : smallest;
        }
        if (smallest > 0) {  // no zeros: no pattern to look for
            sums->two_of_four.groups += cols / 4;
            sums->four_of_eight.groups += cols / 8;
        } else {
            count_groups<4>(row, cols, &sums->two_of_four);
            count_groups<8>(row, cols, &sums->four_of_eight);
        }
    }
};

template <class Real>
row_survey survey_rows_as(const matrix_source& matrix, weight_source::reader<Real> read, int bits, std::size_t group_size)
{
    using magnitude_bits = typename row_kernel<Real>::bits;
    struct thread_state
    {
        std::vector<Real> row;
        std::vector<magnitude_bits> column_magnitudes;
    };
    per_thread<thread_state> threads([&] {
        return thread_state{std::vector<Real>(matrix.cols), std::vector<magnitude_bits>(matrix.cols)};
    });
    const std::size_t rows_per_chunk = std::max<std::size_t>(1, chunk_elements / matrix.cols);
    const auto partials = map_chunks(matrix.rows, rows_per_chunk, [&](std::size_t begin, std::size_t end) {
        thread_state& state = threads.local();
        row_survey sums;
        for (std::size_t i = begin; i < end; ++i) {
            read(matrix.elements.data, i * matrix.cols, matrix.cols, state.row.data());
            const Real* row = state.row.data();
            if (!std::isfinite(dispatch(max_magnitude_kernel<Real>{}, row, matrix.cols)))
                for (Real& x : state.row)
                    x = std::isfinite(x) ? x : Real{0};
            dispatch(row_kernel<Real>{}, row, matrix.cols, group_size, symmetric_levels(bits), state.column_magnitudes.data(), &sums);
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
    for (std::size_t j = 0; j < matrix.cols; ++j)
        result.dead_columns += std::all_of(threads.begin(), threads.end(), [j](const thread_state& state) {
            return static_cast<double>(std::bit_cast<Real>(state.column_magnitudes[j])) <= dead_magnitude;
        });
    return result;
}

inline row_survey survey_rows(const matrix_source& matrix, int bits, std::size_t group_size)
{
    if (matrix.rows == 0 || matrix.cols == 0)
        return {};
    return matrix.elements.read_float ? survey_rows_as<float>(matrix, matrix.elements.read_float, bits, group_size)
                                      : survey_rows_as<double>(matrix, matrix.elements.read_double, bits, group_size);
}

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
