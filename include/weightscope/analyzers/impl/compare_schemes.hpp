#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <weightscope/analyzers/compare_schemes.hpp>
#include <weightscope/analyzers/scheme_difference.hpp>
#include <weightscope/analyzers/scheme_difference_words.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

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

WEIGHTSCOPE_INLINE scheme_difference compare_scheme_values(const weight_source& weights, const scheme_values& first, const scheme_values& second,
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

}  // namespace weightscope::detail
