#pragma once
// What the tables and charts of a map say about a bit.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/report/bit_map_study_result.hpp>

namespace weightscope::detail {

inline bool has_bit_map(const tensor_bit_map& tensor)
{
    return tensor.skipped.empty() && tensor.tied_to.empty() && tensor.map.size > 0;
}

// The largest change as a multiple of the largest weight; NaN where there is none.
inline double bit_excess(const tensor_bit_map& tensor, const bit_position& position)
{
    const double max = tensor.map.max_magnitude;
    return position.max_change.exists() && max > 0 ? position.max_change.value / max : std::numeric_limits<double>::quiet_NaN();
}

// Flips that end at NaN, Inf or change a weight by more than the largest one, as a share.
inline double bit_failing_share(const bit_position& position)
{
    const auto failing = position.nan_count + position.infinite_count + position.above_max_count;
    return position.flip_count > 0 ? static_cast<double>(failing) / static_cast<double>(position.flip_count)
                                   : std::numeric_limits<double>::quiet_NaN();
}

// "14", "scale 14"
inline std::string bit_name(const bit_position& position)
{
    return position.part == "code" ? fmt::format("{}", position.bit) : fmt::format("{} {}", position.part, position.bit);
}

// The position with the largest change; null where there is none.
inline const bit_position* worst_bit(const tensor_bit_map& tensor)
{
    const bit_position* worst = nullptr;
    for (const bit_position& position : tensor.map.positions)
        if (position.max_change.exists() && (worst == nullptr || position.max_change.value > worst->max_change.value))
            worst = &position;
    return worst;
}

// Tensors with a map, those with the largest change for their weights first; those where a flip may end at NaN or Inf come before others
// of the same change.
inline std::vector<const tensor_bit_map*> by_worst_bit(const bit_map_study_result& study)
{
    std::vector<const tensor_bit_map*> order;
    for (const tensor_bit_map& tensor : study.tensors)
        if (has_bit_map(tensor))
            order.push_back(&tensor);
    const auto excess = [](const tensor_bit_map& tensor) {
        const bit_position* worst = worst_bit(tensor);
        const double value = worst != nullptr ? bit_excess(tensor, *worst) : -1;
        return std::isnan(value) ? std::numeric_limits<double>::infinity() : value;  // weights that are all 0
    };
    std::stable_sort(order.begin(), order.end(), [&](const auto* a, const auto* b) { return excess(*a) > excess(*b); });
    return order;
}

struct bit_totals
{
    std::uint64_t flips = 0, nan = 0, infinite = 0, unchanged = 0, above_max = 0;

    void add(const bit_position& p)
    {
        flips += p.flip_count;
        nan += p.nan_count;
        infinite += p.infinite_count;
        unchanged += p.unchanged_count;
        above_max += p.above_max_count;
    }
};

}  // namespace weightscope::detail
