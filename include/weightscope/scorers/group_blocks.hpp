#pragma once

#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/group_names.hpp>

namespace weightscope::detail {

inline constexpr std::size_t no_such_tensor = static_cast<std::size_t>(-1);

// A linear layer: places of its tensors in the model.
struct block_linear
{
    std::size_t weight = no_such_tensor, bias = no_such_tensor;
    bool in_out = false;

    bool exists() const { return weight != no_such_tensor; }
    std::size_t out_axis() const { return in_out ? 1 : 0; }
    std::size_t in_axis() const { return in_out ? 0 : 1; }
};

// The tensors of one block by the parts that they play.
struct block_tensors
{
    std::map<block_part, block_linear> parts = {};
    std::vector<std::size_t> attention = {}, feed = {}, all = {};
    std::map<std::size_t, std::vector<std::pair<block_part, std::size_t>>> experts = {};  // of experts with tensors of their own
    std::vector<std::pair<block_part, std::size_t>> stacks = {};                          // [experts, out, in]

    const block_linear& at(block_part part) const;
    bool has_experts() const { return !experts.empty() || !stacks.empty(); }
};

// Tensors that are tables rather than weights.
WEIGHTSCOPE_INLINE bool is_buffer(std::string_view name);

// Whether GPT-2's projections are [in, out] here: the width of the stream, which the norms tell, comes first.
WEIGHTSCOPE_INLINE bool conv1d_is_in_out(const model& m);

WEIGHTSCOPE_INLINE std::vector<block_tensors> find_blocks(const model& m);

// The first of these numbers that the object has.
WEIGHTSCOPE_INLINE std::size_t first_number(const nlohmann::json& fields, std::initializer_list<const char*> names);

// What the shapes of the tensors do not say; 0 where nothing says it.
struct block_facts
{
    std::size_t head_size = 0, head_count = 0, experts_per_token = 0;
};

// The config.json that lies beside the weights, or nothing.
WEIGHTSCOPE_INLINE std::optional<std::filesystem::path> find_config(const model& m);

WEIGHTSCOPE_INLINE block_facts find_block_facts(const model& m);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/group_blocks.hpp>
#endif
