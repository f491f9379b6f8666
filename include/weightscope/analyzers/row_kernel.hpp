#pragma once
// What survey_rows does with one row.

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/simd.hpp>
#include <weightscope/core/value_bins.hpp>

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
    using key = std::make_signed_t<bits>;
    static constexpr std::size_t width = simd<key>::width;
    static constexpr std::size_t doubles = simd<double>::width;

    struct errors
    {
        double squared = 0;   // Σ e²
        double furthest = 0;  // from a code, in steps
        double signal = 0;    // Σ w², where asked for
    };

    // Adds the errors of quantizing with this scale. Multiplies by 1 / scale where the definition divides: the code may differ only
    // next to a tie, half a step away, which `furthest` tells. Two sums of each kind in turn: one would wait for itself.
    template <bool WithSignal>
    [[gnu::always_inline]] static void add_errors(const Real* x, std::size_t count, double scale, errors* sums)
    {
        if (!(scale > 0))  // every entry is 0
            return;
        const std::size_t whole = count - count % (2 * doubles);
        const double inverse = 1 / scale;
        simd_vector<double> squared[2] = {}, furthest[2] = {}, signal[2] = {};
        for (std::size_t i = 0; i < whole; i += 2 * doubles)
#pragma GCC unroll 2
            for (std::size_t half = 0; half < 2; ++half) {
                simd_vector<double> w;
                widen(x + i + half * doubles, w);
                const simd_vector<double> steps = w * inverse;
                const simd_vector<double> codes = {std::nearbyint(steps[0]), std::nearbyint(steps[1]), std::nearbyint(steps[2]),
                                                   std::nearbyint(steps[3])};
                const simd_vector<double> error = w - codes * scale;
                squared[half] += error * error;
                simd_vector<double> distance = steps - codes;
                take_magnitudes(distance);
                furthest[half] = distance > furthest[half] ? distance : furthest[half];
                if constexpr (WithSignal)
                    signal[half] += w * w;
            }
        squared[0] += squared[1];
        signal[0] += signal[1];
        furthest[0] = furthest[1] > furthest[0] ? furthest[1] : furthest[0];
        for (std::size_t l = 0; l < doubles; ++l) {
            sums->squared += squared[0][l];
            sums->signal += signal[0][l];
            sums->furthest = furthest[0][l] > sums->furthest ? furthest[0][l] : sums->furthest;
        }
        for (std::size_t i = whole; i < count; ++i) {
            const double w = static_cast<double>(x[i]), steps = w * inverse, code = std::nearbyint(steps), error = w - code * scale,
                         distance = std::fabs(steps - code);
            sums->squared += error * error;
            sums->signal += w * w;
            sums->furthest = distance > sums->furthest ? distance : sums->furthest;
        }
    }

    // Σ e² with every step as defined
    [[gnu::always_inline]] static double squared_error(const Real* x, std::size_t count, double scale)
    {
        double sum = 0;
        for (std::size_t i = 0; scale > 0 && i < count; ++i) {
            const double w = static_cast<double>(x[i]), error = w - std::nearbyint(w / scale) * scale;
            sum += error * error;
        }
        return sum;
    }

    // Raises the largest magnitude of each column; returns the smallest magnitude of the row.
    [[gnu::always_inline]] static key take_columns(const Real* row, std::size_t cols, key* column_magnitudes)
    {
        constexpr auto mask = static_cast<key>(magnitude_mask<Real>);
        const std::size_t whole = cols - cols % width;
        simd_vector<key> lowest = mask - simd_vector<key>{};
        for (std::size_t j = 0; j < whole; j += width) {
            simd_vector<key> magnitude;
            std::memcpy(&magnitude, row + j, sizeof magnitude);
            magnitude &= mask;
            const simd_vector<key> before = group_at(column_magnitudes + j);
            group_at(column_magnitudes + j) = magnitude > before ? magnitude : before;
            lowest = magnitude < lowest ? magnitude : lowest;
        }
        key smallest = mask;
        for (std::size_t l = 0; l < width; ++l)
            smallest = lowest[l] < smallest ? lowest[l] : smallest;
        for (std::size_t j = whole; j < cols; ++j) {
            const key magnitude = std::bit_cast<key>(row[j]) & mask;
            column_magnitudes[j] = magnitude > column_magnitudes[j] ? magnitude : column_magnitudes[j];
            smallest = magnitude < smallest ? magnitude : smallest;
        }
        return smallest;
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

    // group_magnitudes: the largest of each group; column_magnitudes: bits of the largest seen in each column
    [[gnu::always_inline]] void operator()(const Real* row, std::size_t cols, std::size_t group_size, double levels,
                                           const Real* group_magnitudes, key* column_magnitudes, row_survey* sums) const
    {
        constexpr double sure = 0.5 - 1e-11;  // codes of up to 16 bits are exact to 2^15 · 2^-52 steps
        double largest = 0;
        errors of_groups, of_row;
        for (std::size_t begin = 0, group = 0; begin < cols; begin += group_size, ++group) {
            const std::size_t size = cols - begin < group_size ? cols - begin : group_size;
            const auto group_largest = static_cast<double>(group_magnitudes[group]);
            largest = group_largest > largest ? group_largest : largest;
            add_errors<true>(row + begin, size, group_largest / levels, &of_groups);
        }
        if (!(of_groups.furthest < sure) || !std::isfinite(of_groups.squared)) {
            of_groups.squared = 0;
            for (std::size_t begin = 0, group = 0; begin < cols; begin += group_size, ++group)
                of_groups.squared += squared_error(row + begin, cols - begin < group_size ? cols - begin : group_size,
                                                   static_cast<double>(group_magnitudes[group]) / levels);
        }
        add_errors<false>(row, cols, largest / levels, &of_row);
        if (!(of_row.furthest < sure) || !std::isfinite(of_row.squared))
            of_row.squared = squared_error(row, cols, largest / levels);

        sums->group_squared_error += of_groups.squared;
        sums->channel_squared_error += of_row.squared;
        sums->sum_squares += of_groups.signal;
        sums->dead_rows += largest <= dead_magnitude;
        if (take_columns(row, cols, column_magnitudes) > 0) {  // no zeros: no pattern to look for
            sums->two_of_four.groups += cols / 4;
            sums->four_of_eight.groups += cols / 8;
        } else {
            count_groups<4>(row, cols, &sums->two_of_four);
            count_groups<8>(row, cols, &sums->four_of_eight);
        }
    }
};

// Largest magnitude of each group; returns that of all.
template <class Real>
struct group_magnitudes_kernel
{
    [[gnu::always_inline]] Real operator()(const Real* row, std::size_t cols, std::size_t group_size, Real* magnitudes) const
    {
        std::size_t group = 0;
        for (std::size_t begin = 0; begin < cols; begin += group_size)
            magnitudes[group++] = max_magnitude_kernel<Real>{}(row + begin, cols - begin < group_size ? cols - begin : group_size);
        return max_magnitude_kernel<Real>{}(magnitudes, group);
    }
};

}  // namespace detail
}  // namespace weightscope
