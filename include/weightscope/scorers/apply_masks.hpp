#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/weight_group.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope {

/// Which weights of each tensor of a model go; empty masks: none.
using model_masks = std::vector<weight_mask>;

/// The weights of the groups that go, as masks: zeros instead of slices, in the model's own shapes.
///
/// @param groups   see transformer_groups()
/// @param removed  as of selection_result
/// @return         [tensors] of the model
/// @throws std::invalid_argument  a group does not exist
/// @note           a bit for each weight of the tensors that lose some
[[nodiscard]] WEIGHTSCOPE_INLINE model_masks masks_of_groups(const grouped_model& groups, std::span<const group_place> removed);

/// Sets the removed weights of an evaluator to 0 until the patch is restored. Tensors are found by name.
///
/// @param patch      of the evaluator
/// @param evaluator  writable_weights
/// @param m          the model that the masks are of; what the evaluator does not have is left out
/// @throws std::invalid_argument  a tensor of the evaluator is of another size
template <writable_weights E>
void apply_masks(weight_patch& patch, const E& evaluator, const model& m, const model_masks& masks)
{
    std::size_t number = 0;
    for (const weight_info& info : evaluator.weights()) {
        for (std::size_t i = 0; i < m.tensors.size() && i < masks.size(); ++i)
            if (masks[i].size() > 0 && m.tensors[i].name == info.name)
                apply_mask(patch, evaluator, number, masks[i]);
        ++number;
    }
}

/// Writes the model in its own shapes with the removed weights set to 0.
///
/// @param path   a safetensors file, no file of the model; appears whole or not at all
/// @param masks  [tensors]
/// @throws std::invalid_argument  the masks are of another model, or `path` is the model
/// @throws write_error            the file cannot be written
/// @note one tensor is in memory at a time; what is stored in blocks of codes is written decoded, as its dtype
WEIGHTSCOPE_INLINE void write_masked(const std::filesystem::path& path, const model& m, const model_masks& masks);

/// What silences a group of an evaluator's weights: zeros here have the same effect as taking the group out. Tensors are found by name.
///
/// @param weights  of the evaluator
/// @return         slices of few, neighbouring weights where the layout allows it: rows of the value or up projection
/// @throws std::invalid_argument  the group does not exist, or the evaluator does not have its tensors
/// @note           the gate of an expert has its row of the router: `transformer` gives its tokens to the others, as if it were not there,
///                 where that row is all zeros; a model that does not know this rule keeps its share of them
[[nodiscard]] WEIGHTSCOPE_INLINE weight_group gate_of(const grouped_model& groups, const group_place& place, std::span<const weight_info> weights);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/apply_masks.hpp>
#endif
