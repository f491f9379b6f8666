#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/pytorch_tensor.hpp>

namespace weightscope {

/// Options of read_pytorch().
struct pytorch_options
{
    bool include_training_state = false;  ///< the tensors of optimizers, schedules and random generators as well
    bool include_averages = false;        ///< moving averages of the weights as well, where there are weights beside them
};

namespace detail {

enum class torch_role
{
    weight,
    average,        // a second copy of the weights: a moving average of them
    training_state  // of optimizers, schedules and random generators
};

// A tensor of a checkpoint and the keys that lead to it.
struct torch_entry
{
    std::string name;  // keys, joined by points
    torch_tensor tensor;
    torch_role role = torch_role::weight;
    std::vector<std::uint32_t> outer = {};  // lengths of the first keys, as far as they are keys of plain dicts around the tensors' own
};

// True if a word of `key` is `word`: "model_ema", "ema.module".
WEIGHTSCOPE_INLINE bool has_word(std::string_view key, std::string_view word);

// Leaves out what is not asked for, and the keys that stand around all weights: "state_dict", "model".
WEIGHTSCOPE_INLINE void choose_torch_entries(std::vector<torch_entry>& entries, const pytorch_options& options, model_metadata& metadata);

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/pytorch_entry.hpp>
#endif
