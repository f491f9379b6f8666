#pragma once

#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

/// What a layer is called in a chart, and where it belongs.
struct layer_label
{
    std::string text = {};   ///< "L12.q_proj"; differs from all others
    std::string role = {};   ///< "q_proj": what layers of different blocks have in common
    std::string block = {};  ///< "L12"; empty outside the blocks
};

namespace detail {

WEIGHTSCOPE_INLINE std::string joined(std::span<const std::string> parts);

}  // namespace detail

/// Short names for layers of any architecture: "model.layers.12.self_attn.q_proj.weight" is "L12.q_proj" where no other part of a
/// block ends in q_proj; "weight" at the end is left out where nothing else differs by it, and so are the first parts of a name that
/// its last ones make up for. Stacks of blocks that stand side by side ("encoder.layers", "decoder.layers") keep their names.
///
/// @return one label per name, all texts different if the names are
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<layer_label> layer_labels(std::span<const std::string> names);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/chart_layer_names.hpp>
#endif
