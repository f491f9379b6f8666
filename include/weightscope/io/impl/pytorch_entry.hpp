#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/pytorch_entry.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE bool has_word(std::string_view key, std::string_view word)
{
    const auto is_letter = [&](std::size_t i) {
        return i < key.size() && ((key[i] >= 'a' && key[i] <= 'z') || (key[i] >= 'A' && key[i] <= 'Z'));
    };
    for (std::size_t at = key.find(word); at != key.npos; at = key.find(word, at + 1))
        if (!is_letter(at + word.size()) && (at == 0 || !is_letter(at - 1)))
            return true;
    return false;
}

WEIGHTSCOPE_INLINE void choose_torch_entries(std::vector<torch_entry>& entries, const pytorch_options& options, model_metadata& metadata)
{
    static constexpr std::array<std::string_view, 17> wrappers = {
        "state_dict", "model", "model_state_dict", "model_state", "state", "module", "net", "network", "weights", "model_weights",
        "params", "params_ema", "ema", "model_ema", "ema_model", "state_dict_ema", "ema_state_dict"};
    const auto has_role = [&](torch_role role) {
        return std::any_of(entries.begin(), entries.end(), [&](const torch_entry& e) { return e.role == role; });
    };
    if (!has_role(torch_role::weight))
        for (torch_entry& entry : entries)
            if (entry.role == torch_role::average)
                entry.role = torch_role::weight;

    // scalars beside the wrapper are figures of the training: the best accuracy, the loss
    const auto is_figure = [](const torch_entry& e) {
        return e.outer.size() == 1 && e.tensor.shape.empty() && e.name.size() == e.outer[0];
    };
    for (std::size_t level = 0; level < 3; ++level) {
        std::string_view common;
        bool strip = true;
        for (const torch_entry& entry : entries) {
            if (entry.role != torch_role::weight || is_figure(entry))
                continue;
            const std::string_view key =
                entry.outer.empty() ? std::string_view() : std::string_view(entry.name).substr(0, entry.outer[0]);
            strip = strip && key.size() < entry.name.size() && (common.empty() || key == common)
                    && std::find(wrappers.begin(), wrappers.end(), key) != wrappers.end();
            common = key;
        }
        if (!strip || common.empty())
            break;
        const std::size_t cut = common.size() + 1;
        metadata.emplace_back("weights taken from", common);
        for (torch_entry& entry : entries) {
            if (entry.role != torch_role::weight)
                continue;
            if (is_figure(entry)) {
                entry.role = torch_role::training_state;
                continue;
            }
            entry.name.erase(0, cut);
            entry.outer.erase(entry.outer.begin());
        }
    }

    const auto leave_out = [&](torch_role role, std::string_view what) {
        if (const std::size_t count = std::erase_if(entries, [&](const torch_entry& e) { return e.role == role; }); count > 0)
            metadata.emplace_back("left out", fmt::format("{} tensors of {}", count, what));
    };
    if (!options.include_training_state)
        leave_out(torch_role::training_state, "the training state");
    if (!options.include_averages)
        leave_out(torch_role::average, "averaged weights");
}

}  // namespace weightscope::detail
