#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/scorers/group_family.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE group_region group_slice::region(std::size_t unit, std::size_t copy) const
{
    if (!tensors.empty())
        return {.tensor = tensors[unit], .axis = axis, .first = first, .count = count};
    return {.tensor = tensor, .axis = axis, .first = first + unit * count + copy * pitch, .count = count};
}

WEIGHTSCOPE_INLINE std::vector<group_region> group_family::regions(std::size_t unit) const
{
    std::vector<group_region> result;
    for (const group_slice& slice : slices)
        for (std::size_t c = 0; c < slice.copies; ++c)
            result.push_back(slice.region(unit, c));
    return result;
}

WEIGHTSCOPE_INLINE std::string group_family::name(std::size_t unit) const
{
    return unit_count == 1 ? fmt::format("layer {} {}", layer, to_string(kind)) : fmt::format("layer {} {} {}", layer, to_string(kind), unit);
}

WEIGHTSCOPE_INLINE std::size_t grouped_model::group_count() const
{
    std::size_t count = 0;
    for (const group_family& family : families)
        count += family.unit_count;
    return count;
}

WEIGHTSCOPE_INLINE std::vector<group_place> grouped_model::places() const
{
    std::vector<group_place> result;
    result.reserve(group_count());
    for (std::size_t f = 0; f < families.size(); ++f)
        for (std::size_t u = 0; u < families[f].unit_count; ++u)
            result.push_back({f, u});
    return result;
}

}  // namespace weightscope
