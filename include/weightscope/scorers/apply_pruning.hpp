#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/apply_masks.hpp>
#include <weightscope/scorers/group_family.hpp>

namespace weightscope {

/// What write_pruned() wrote.
struct written_model
{
    std::filesystem::path weights = {};
    std::vector<std::string> files = {};  ///< their names, weights first
    bool plain = true;                    ///< Hugging Face's own library can load it
    std::string reason = {};              ///< why not
};

/// Writes the model without the groups that go as a folder: model.safetensors, config.json where the model has one, and the files of
/// its tokenizer. A GGUF file of LLaMA, Mistral, Mixtral or Qwen2 becomes such a folder too, in Hugging Face's names and order of rows, with
/// a config.json that says what its metadata did; its tokenizer stays in the file.
///
///     write_pruned("smaller", m, groups, selection.removed);
///     open_transformer("smaller", tokens) ...
///
/// @param folder   is made where it is missing; not that of the model
/// @param m        that the groups are of
/// @param removed  as of selection_result
/// @return         see written_model
/// @throws std::invalid_argument  the groups are of another model, do not exist, or `folder` is the model's own
/// @throws io_error               the model cannot be read
/// @throws write_error            a file cannot be written
/// @note one tensor is in memory at a time; what is stored in blocks of codes is written decoded, as its dtype. Each file appears whole
///       or not at all, the weights last. No sums of losses change but by rounding: the same weights are left out that masks set to 0.
WEIGHTSCOPE_INLINE written_model write_pruned(const std::filesystem::path& folder, const model& m, const grouped_model& groups,
                                              std::span<const group_place> removed);

/// Writes the model with zeros for what goes as a folder: the same shapes and the same config.json.
///
/// @param masks  [tensors] of the model
/// @throws as write_pruned()
WEIGHTSCOPE_INLINE written_model write_pruned(const std::filesystem::path& folder, const model& m, const model_masks& masks);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/apply_pruning.hpp>
#endif
