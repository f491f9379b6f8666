#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

/// A group that two schemes decode differently.
struct scheme_group_difference
{
    std::size_t group = 0;          ///< by rows, then along them
    std::size_t row = 0;            ///< of [out, in * kernel]
    std::size_t column = 0;         ///< of its first weight
    std::size_t size = 0;
    std::size_t differing_count = 0;  ///< weights
    double first_squared_error = 0;   ///< Σ e²
    double second_squared_error = 0;
    std::size_t worst_column = 0;   ///< of the weight whose two values are furthest apart
    double weight = 0;              ///< that weight, and what it is decoded to
    double first_value = 0;
    double second_value = 0;
};

/// The same weights under two schemes.
struct scheme_difference
{
    metric first_sqnr_db = {};
    metric second_sqnr_db = {};
    metric change_db = {};           ///< second - first: positive where the second one is better
    std::size_t weight_count = 0;    ///< finite ones; others are compared nowhere
    std::size_t differing_count = 0; ///< weights that are decoded to different numbers
    metric differing_fraction = {};
    metric differing_codes_fraction = {};  ///< of all codes; missing where equal codes need not mean equal steps
    double signal = 0;               ///< Σw²
    double first_squared_error = 0;  ///< Σ e²
    double second_squared_error = 0;
    double largest_difference = 0;   ///< max |ŵ₁ - ŵ₂|
    std::size_t group_count = 0;
    std::size_t differing_groups = 0;
    std::vector<scheme_group_difference> groups = {};  ///< the first that differ
    std::optional<scheme_group_difference> worst = {}; ///< whose squared errors are furthest apart
    std::string reason = {};         ///< what differs between the schemes
};

namespace detail {

// What rows, or groups of them, add up to.
struct compared_schemes_rows
{
    double signal = 0, first = 0, second = 0;  // Σ w², Σ e²
    std::size_t count = 0, differing = 0, groups = 0;
    double largest = 0;
    std::vector<scheme_group_difference> listed = {};
    std::optional<scheme_group_difference> worst = {};

    void take(const scheme_group_difference& group, std::size_t limit)
    {
        const auto gap = [](const scheme_group_difference& g) { return std::fabs(g.second_squared_error - g.first_squared_error); };
        ++groups;
        if (listed.size() < limit)
            listed.push_back(group);
        if (!worst || gap(group) > gap(*worst))
            worst = group;
    }
    void take(const compared_schemes_rows& other, std::size_t limit)
    {
        signal += other.signal, first += other.first, second += other.second;
        count += other.count, differing += other.differing;
        largest = std::max(largest, other.largest);
        const std::size_t before = groups + other.groups;
        for (const scheme_group_difference& group : other.listed)
            take(group, limit);
        if (other.worst)
            take(*other.worst, 0);
        groups = before;
    }
};

// Rows [begin, end) of [rows, cols], `size` weights to a group.
inline compared_schemes_rows compare_scheme_rows(const weight_source& weights, const weight_source& first, const weight_source& second,
                                                 std::size_t begin, std::size_t end, std::size_t cols, std::size_t size, std::size_t limit)
{
    compared_schemes_rows result;
    const std::size_t groups_per_row = (cols + size - 1) / size;
    std::vector<double> w(cols), a(cols), b(cols);
    for (std::size_t row = begin; row < end; ++row) {
        weights.read_double(weights.data, row * cols, cols, w.data());
        first.read_double(first.data, row * cols, cols, a.data());
        second.read_double(second.data, row * cols, cols, b.data());
        for (std::size_t g = 0; g < groups_per_row; ++g) {
            const std::size_t from = g * size, to = std::min(cols, from + size);
            scheme_group_difference group{.group = row * groups_per_row + g, .row = row, .column = from, .size = to - from};
            double widest = 0;
            for (std::size_t i = from; i < to; ++i) {
                if (!std::isfinite(w[i]))
                    continue;
                ++result.count;
                result.signal += w[i] * w[i];
                group.first_squared_error += (w[i] - a[i]) * (w[i] - a[i]);
                group.second_squared_error += (w[i] - b[i]) * (w[i] - b[i]);
                if (a[i] == b[i])
                    continue;
                ++group.differing_count;
                if (const double apart = std::fabs(a[i] - b[i]); !(apart <= widest)) {
                    widest = apart;
                    group.worst_column = i, group.weight = w[i], group.first_value = a[i], group.second_value = b[i];
                }
            }
            result.first += group.first_squared_error;
            result.second += group.second_squared_error;
            result.differing += group.differing_count;
            result.largest = std::max(result.largest, widest);
            if (group.differing_count > 0)
                result.take(group, limit);
        }
    }
    return result;
}

}  // namespace detail

}  // namespace weightscope
