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
        double group_squared = 0, row_squared = 0;  // Σ e²
        double furthest = 0;                        // from a code, in steps
        double signal = 0;                          // Σ w²
    };

    // A scale with its reciprocal; of zeros both are 0.
    struct step
    {
        double scale = 0, inverse = 0;

        step(double magnitude, double levels) : scale(magnitude / levels), inverse(scale > 0 ? 1 / scale : 0) {}
    };

    static constexpr double all_places = 0x1.8p52;  // a sum with it has no room for a fraction

    // x to whole numbers, which no setting of the compiler may take for x itself
    template <class X>
    [[gnu::always_inline]] static void to_whole(X& x)
    {
#if defined(__clang__)
#pragma clang fp reassociate(off)
        x = (x + all_places) - all_places;
#elif defined(__GNUC__) && __GNUC__ >= 12 && !defined(__NVCC__)
        x = __builtin_assoc_barrier(x + all_places) - all_places;
#else
        x = (x + all_places) - all_places;
#endif
    }

    template <class X>
    [[gnu::always_inline]] static void add_error(const X& w, const step& s, X& squared, X& furthest)
    {
        X code = w * s.inverse;
        to_whole(code);
        X error = w - code * s.scale;
        squared += error * error;
        if constexpr (std::is_same_v<X, double>)
            error = std::fabs(error);
        else
            take_magnitudes(error);
        furthest = error > furthest ? error : furthest;
    }

    // Adds the errors of quantizing with a scale for each group and with one for the row. Multiplies by 1 / scale where the definition
    // divides: the code may differ only next to a tie, half a step away, which `furthest` tells.
    [[gnu::always_inline]] static void add_errors(const Real* x, const Real* ahead, std::size_t cols, std::size_t group_size, const Real* group_magnitudes,
                                                  double levels, double largest, errors* sums)
    {
        const step of_row(largest, levels);
        simd_vector<double> group_squared = {}, row_squared = {}, signal = {}, row_furthest = {}, furthest = {};
        double furthest_rest = 0, row_furthest_rest = 0;
        for (std::size_t begin = 0, group = 0; begin < cols; begin += group_size, ++group) {
            const std::size_t end = cols - begin < group_size ? cols : begin + group_size, whole = end - (end - begin) % doubles;
            const step of_group(static_cast<double>(group_magnitudes[group]), levels);
            simd_vector<double> group_furthest = {};
            if (ahead)
                for (std::size_t i = begin; i < end; i += 64 / sizeof(Real))
                    __builtin_prefetch(ahead + i, 0, 2);
            for (std::size_t i = begin; i < whole; i += doubles) {
                simd_vector<double> w;
                widen(x + i, w);
                add_error(w, of_group, group_squared, group_furthest);
                add_error(w, of_row, row_squared, row_furthest);
                signal += w * w;
            }
            group_furthest *= of_group.inverse;
            furthest = group_furthest > furthest ? group_furthest : furthest;
            double group_furthest_rest = 0;
            for (std::size_t i = whole; i < end; ++i) {
                const double w = static_cast<double>(x[i]);
                add_error(w, of_group, sums->group_squared, group_furthest_rest);
                add_error(w, of_row, sums->row_squared, row_furthest_rest);
                sums->signal += w * w;
            }
            group_furthest_rest *= of_group.inverse;
            furthest_rest = group_furthest_rest > furthest_rest ? group_furthest_rest : furthest_rest;
        }
        row_furthest *= of_row.inverse;
        row_furthest_rest *= of_row.inverse;
        sums->furthest = row_furthest_rest > furthest_rest ? row_furthest_rest : furthest_rest;
        for (std::size_t l = 0; l < doubles; ++l) {
            sums->group_squared += group_squared[l];
            sums->row_squared += row_squared[l];
            sums->signal += signal[l];
            sums->furthest = furthest[l] > sums->furthest ? furthest[l] : sums->furthest;
            sums->furthest = row_furthest[l] > sums->furthest ? row_furthest[l] : sums->furthest;
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
            const simd_vector<key> before = *group_at(column_magnitudes + j);
            *group_at(column_magnitudes + j) = magnitude > before ? magnitude : before;
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

    // group_magnitudes: the largest of each group; column_magnitudes: bits of the largest seen in each column; `ahead`, if any: the row
    // that comes next
    [[gnu::always_inline]] void operator()(const Real* row, const Real* ahead, std::size_t cols, std::size_t group_size, double levels,
                                           const Real* group_magnitudes, key* column_magnitudes, row_survey* sums) const
    {
        constexpr double sure = 0.5 - 1e-11;  // codes of up to 16 bits are exact to 2^15 · 2^-52 steps
        double largest = 0;
        for (std::size_t group = 0; group * group_size < cols; ++group) {
            const auto group_largest = static_cast<double>(group_magnitudes[group]);
            largest = group_largest > largest ? group_largest : largest;
        }
        errors found;
        add_errors(row, ahead, cols, group_size, group_magnitudes, levels, largest, &found);
        if (!(found.furthest < sure) || !std::isfinite(found.group_squared) || !std::isfinite(found.row_squared)) {
            found.group_squared = 0;
            for (std::size_t begin = 0, group = 0; begin < cols; begin += group_size, ++group)
                found.group_squared += squared_error(row + begin, cols - begin < group_size ? cols - begin : group_size,
                                                     static_cast<double>(group_magnitudes[group]) / levels);
            found.row_squared = squared_error(row, cols, largest / levels);
        }

        sums->group_squared_error += found.group_squared;
        sums->channel_squared_error += found.row_squared;
        sums->sum_squares += found.signal;
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
