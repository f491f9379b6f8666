#pragma once

#include <cstddef>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/quantizers/allocation_problem.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE allocation_item tie_items(std::span<const allocation_item> items)
{
    require(!items.empty(), "tie_items(items): there is no item, expected one or more");
    allocation_item tied = items.front();
    for (const allocation_item& item : items.subspan(1)) {
        require(item.choices.size() == tied.choices.size(), "tie_items(items): one item has {} choices and another {}, expected as many",
                tied.choices.size(), item.choices.size());
        for (std::size_t i = 0; i < item.choices.size(); ++i) {
            tied.choices[i].loss += item.choices[i].loss;
            for (std::size_t k = 0; k < item.choices[i].costs.size(); ++k)
                tied.choices[i].costs[k] += item.choices[i].costs[k];
        }
    }
    return tied;
}

}  // namespace weightscope
