#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <weightscope/analyzers/scheme_difference_words.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/uniform.hpp>

namespace weightscope {

struct compare_schemes_options
{
    std::size_t listed_groups = 5;  ///< of those that differ, how many are told one by one, the first ones
    std::size_t group_size = 0;     ///< neighbours along a row that are compared as one group; 0: as the schemes group, or whole rows
};

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

// Weights under one scheme: codes, and decoded.
class scheme_values
{
public:
    scheme_values(const weight_source& elements, const std::vector<std::size_t>& shape, const scheme& s) : q_{.scheme = s, .shape = shape}
    {
        quantize_into(elements, s, q_);
        if (s.scale == scale_type::f64)
            wide_ = dequantize<double>(q_);
        else
            narrow_ = dequantize<float>(q_);
    }

    weight_source decoded() const
    {
        return q_.scheme.scale == scale_type::f64 ? source_of(std::span<const double>(wide_.data(), wide_.size()))
                                                  : source_of(std::span<const float>(narrow_.data(), narrow_.size()));
    }
    const quantized_tensor& codes() const { return q_; }

private:
    quantized_tensor q_;
    xt::xarray<float> narrow_ = {};
    xt::xarray<double> wide_ = {};
};

inline metric scheme_codes_that_differ(const quantized_tensor& a, const quantized_tensor& b)
{
    if (a.scheme.grid != b.scheme.grid || a.scheme.bits != b.scheme.bits)
        return metric::missing("the grids differ");
    if (!a.scheme.symmetric || !b.scheme.symmetric)
        return metric::missing("codes with zero points of their own");
    return std::visit(
        [](const auto& x, const auto& y) -> metric {
            std::size_t count = 0;
            for (std::size_t i = 0; i < x.size(); ++i)
                count += static_cast<int>(x.data()[i]) != static_cast<int>(y.data()[i]);
            return x.size() > 0 ? metric(static_cast<double>(count) / static_cast<double>(x.size())) : metric::missing("no entries");
        },
        a.codes, b.codes);
}

// The size of the groups to be compared in rows of `cols`.
inline std::size_t compared_group_size(const scheme& a, const scheme& b, std::size_t cols, std::size_t asked)
{
    std::size_t size = asked > 0 ? asked : cols;
    for (const scheme* s : {&a, &b})
        if (asked == 0 && s->granularity == scale_granularity::per_group)
            size = std::min(size, s->group_size);
    return std::max<std::size_t>(std::min(size, cols), 1);
}

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

// `weights` are those that both were made from.
inline scheme_difference compare_scheme_values(const weight_source& weights, const scheme_values& first, const scheme_values& second,
                                               const compare_schemes_options& options)
{
    const scheme &a = first.codes().scheme, &b = second.codes().scheme;
    const std::vector<std::size_t>& shape = first.codes().shape;
    const std::size_t rows = shape.size() < 2 ? 1 : shape[0], cols = rows > 0 ? weights.size / rows : 0;
    scheme_difference result{.reason = explain_scheme_difference(a, b)};
    compared_schemes_rows sums;
    if (weights.size > 0) {
        const std::size_t size = compared_group_size(a, b, cols, options.group_size);
        result.group_count = rows * ((cols + size - 1) / size);
        const weight_source x = first.decoded(), y = second.decoded();
        for (const compared_schemes_rows& part : map_chunks(rows, std::max<std::size_t>(1, 65536 / cols), [&](std::size_t begin, std::size_t end) {
                 return compare_scheme_rows(weights, x, y, begin, end, cols, size, options.listed_groups);
             }))
            sums.take(part, options.listed_groups);
    }
    result.weight_count = sums.count;
    result.differing_count = sums.differing;
    result.differing_fraction = sums.count > 0 ? metric(static_cast<double>(sums.differing) / static_cast<double>(sums.count))
                                               : metric::missing(weights.size > 0 ? "no finite entries" : "no entries");
    result.differing_codes_fraction = scheme_codes_that_differ(first.codes(), second.codes());
    result.signal = sums.signal;
    result.first_squared_error = sums.first;
    result.second_squared_error = sums.second;
    result.largest_difference = sums.largest;
    result.differing_groups = sums.groups;
    result.groups = std::move(sums.listed);
    result.worst = std::move(sums.worst);
    result.first_sqnr_db = sums.count > 0 ? sqnr_db(sums.signal, sums.first) : result.differing_fraction;
    result.second_sqnr_db = sums.count > 0 ? sqnr_db(sums.signal, sums.second) : result.differing_fraction;
    const bool both = result.first_sqnr_db.exists() && result.second_sqnr_db.exists();
    result.change_db = both ? metric(result.second_sqnr_db.value - result.first_sqnr_db.value)
                            : metric::missing(result.first_sqnr_db.exists() ? result.second_sqnr_db.reason : result.first_sqnr_db.reason);
    return result;
}

}  // namespace detail

/// What two conventions make of the same weights: which of them is closer, how many weights they decode differently, where, and why.
///
///     const auto d = compare_schemes(w, parse_scheme("int4-g64"), parse_scheme("gptq-int4-g64"));
///     d.change_db, d.differing_fraction, d.reason ...
///
/// @param weights  any rank, layout and weight scalar; seen as [out, in * kernel], below rank 2 as one row
/// @param first    see scheme
/// @param second   its difference from `first` is told
/// @return         see scheme_difference; weights that are NaN or infinite are left out
/// @throws std::invalid_argument  a scheme does not exist or does not fit the shape
/// @note           codes and decoded weights of both are in memory at once: some ten bytes a weight. The same figures for any number
///                 of threads
template <tensor W>
[[nodiscard]] scheme_difference compare_schemes(const W& weights, const scheme& first, const scheme& second,
                                                const compare_schemes_options& options = {})
{
    const std::vector<std::size_t> shape(weights.shape().begin(), weights.shape().end());
    for (const scheme* s : {&first, &second})
        require_scheme(*s, "compare_schemes(weights, first, second)", shape.size());
    return detail::with_source(weights, [&](const detail::weight_source& elements) {
        const detail::scheme_values a(elements, shape, first), b(elements, shape, second);
        return detail::compare_scheme_values(elements, a, b, options);
    });
}

}  // namespace weightscope
