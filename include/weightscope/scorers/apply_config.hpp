#pragma once

#include <span>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/scorers/group_family.hpp>

namespace weightscope {

/// The configuration of the model without the groups that go.
///
/// @param config   of the model
/// @return         as wide as what is left; where layers differ, config.layers says how
/// @throws std::invalid_argument  a group does not exist
[[nodiscard]] WEIGHTSCOPE_INLINE transformer_config slice_config(transformer_config config, const grouped_model& groups,
                                                                 std::span<const group_place> removed);

/// What the Hugging Face config.json of the smaller model is worth.
struct sliced_config_file
{
    bool plain = true;        ///< its words say it all, and Hugging Face's own library loads the model
    std::string reason = {};  ///< why not
};

/// Rewrites a config.json for the model without the groups that go.
///
/// num_attention_heads, num_key_value_heads, head_dim, intermediate_size and num_hidden_layers (n_head, n_inner and n_layer of GPT-2) are
/// those of what is left, and where there are experts so is num_local_experts, num_experts or n_routed_experts. Where layers differ,
/// "weightscope_layers" holds the widths of each, which read_transformer_config() knows and others do not.
///
/// @param fields  of the model's config.json; of the smaller model's after the call
/// @throws std::invalid_argument  a group does not exist
[[nodiscard]] WEIGHTSCOPE_INLINE sliced_config_file slice_config_file(nlohmann::ordered_json& fields, const grouped_model& groups,
                                                                      std::span<const group_place> removed);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/apply_config.hpp>
#endif
