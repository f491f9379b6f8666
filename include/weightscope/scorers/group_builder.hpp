#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/io/model.hpp>
#include <weightscope/scorers/group_blocks.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/group_slicer.hpp>

namespace weightscope::detail {

class group_builder : group_slicer
{
public:
    group_builder(const model& m, const transformer_groups_options& options) : group_slicer(m, options), blocks_(find_blocks(m)) {}

    grouped_model make();

private:
    void require_kinds() const;

    void list_tensors();

    // Inputs of the first output projection: heads times their size.
    std::size_t heads_input() const;

    void add(std::size_t layer, group_kind kind);

    void add_costs(group_family& family);

    std::vector<block_tensors> blocks_;
    grouped_model result_ = {};
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/group_builder.hpp>
#endif
