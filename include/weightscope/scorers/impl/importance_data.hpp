#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/importance_data.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE void importance_data::add(const importance_data& other)
{
    for (const auto& [name, fills] : other.parts_)
        for (const part& fill : fills)
            add(name, fill);
}

WEIGHTSCOPE_INLINE importance_info importance_data::of(std::string_view name) const
{
    importance_info info;
    if (const auto found = parts_.find(name); found != parts_.end())
        for (const part& fill : found->second)
            fill(info);
    return info;
}

WEIGHTSCOPE_INLINE std::vector<std::string> importance_data::names() const
{
    std::vector<std::string> result;
    for (const auto& entry : parts_)
        result.push_back(entry.first);
    return result;
}

namespace detail {

WEIGHTSCOPE_INLINE void merge_origin(importance_origin& into, const importance_origin& from)
{
    if (!from.source.empty() && into.source.find(from.source) == std::string::npos)
        into.source += (into.source.empty() ? "" : ", ") + from.source;
    into.batches = into.batches > from.batches ? into.batches : from.batches;
    into.samples = into.samples > from.samples ? into.samples : from.samples;
    if (from.seed != 0)
        into.seed = from.seed;
    if (!from.fingerprint.empty())
        into.fingerprint = from.fingerprint;
}

}  // namespace detail

}  // namespace weightscope
