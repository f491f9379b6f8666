#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weightscope/io/model.hpp>
#include <weightscope/scorers/group_blocks.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/group_names.hpp>

namespace weightscope {

struct transformer_groups_options
{
    std::vector<group_kind> kinds = {group_kind::kv_group, group_kind::mlp_channel};  ///< that do not overlap
    std::size_t head_count = 0;         ///< query heads of the first layer; 0: what config.json or the file's metadata say
    std::size_t head_size = 0;          ///< 0: the same
    std::size_t experts_per_token = 0;  ///< 0: the same
    std::size_t context_length = 0;     ///< tokens that a token attends to, for the FLOPs; 0 counts the weights alone
};

namespace detail {

// Which rows and columns the groups of a block have.
class group_slicer
{
protected:
    static constexpr const char* caller = "transformer_groups(model, options)";

    group_slicer(const model& m, const transformer_groups_options& options) : model_(m), options_(options) {}

    [[noreturn]] void refuse(std::size_t tensor, const std::string& fault) const;
    std::size_t extent(std::size_t tensor, std::size_t axis) const;
    std::size_t out_of(const block_linear& linear) const { return extent(linear.weight, linear.out_axis()); }
    std::size_t in_of(const block_linear& linear) const { return extent(linear.weight, linear.in_axis()); }

    // A run of outputs or inputs of a linear layer for each unit; outputs have biases.
    static void take(std::vector<group_slice>& slices, const block_linear& linear, bool outputs, std::size_t first, std::size_t count,
                     std::size_t copies = 1, std::size_t pitch = 0);

    void add_heads(group_family& family, const block_tensors& block);

    void add_channels(group_family& family, const block_tensors& block);

    void add_experts(group_family& family, const block_tensors& block);

    void add_whole(group_family& family, const std::vector<std::size_t>& tensors, const block_tensors& block, const std::vector<block_part>& outputs);

    const model& model_;
    const transformer_groups_options& options_;
    block_facts facts_ = {};
    std::uint64_t attention_flops_ = 0;
    std::size_t mqa_layers_ = 0;
};

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/group_slicer.hpp>
#endif
