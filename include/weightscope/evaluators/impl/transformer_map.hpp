#pragma once

#include <algorithm>
#include <cstddef>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/transformer_map.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::size_t transformer_plan::feed_forward_size() const
{
    std::size_t most = 0;
    for (const layer_map& layer : layers)
        most = std::max(most, layer.widths.feed_forward_size);
    return most;
}

WEIGHTSCOPE_INLINE std::size_t transformer_plan::widest(std::size_t (layer_map::*columns)() const) const
{
    std::size_t most = 0;
    for (const layer_map& layer : layers)
        most = std::max(most, (layer.*columns)());
    return most;
}

}  // namespace weightscope::detail
