#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/atomic_file.hpp>
#include <weightscope/io/json_document.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/scorers/apply_config.hpp>
#include <weightscope/scorers/apply_gguf.hpp>
#include <weightscope/scorers/apply_masks.hpp>
#include <weightscope/scorers/apply_pruning.hpp>
#include <weightscope/scorers/apply_slices.hpp>
#include <weightscope/scorers/group_blocks.hpp>
#include <weightscope/scorers/group_family.hpp>

namespace weightscope {

namespace detail {

inline void require_other_folder(const char* caller, const std::filesystem::path& folder, const model& m)
{
    std::error_code error;
    const std::filesystem::path own = std::filesystem::is_directory(m.path, error) ? m.path : m.path.parent_path();
    require(!std::filesystem::equivalent(own.empty() ? "." : own, folder, error), "{}: {} is the folder of the model itself, expected another one",
            caller, folder.string());
}

// Files that a text needs to become tokens, and those that say how to generate.
inline void copy_companions(const std::filesystem::path& from, const std::filesystem::path& to, std::vector<std::string>& files)
{
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json",
                             "vocab.json", "merges.txt", "chat_template.jinja", "generation_config.json"}) {
        std::error_code error;
        if (!std::filesystem::is_regular_file(from / name, error))
            continue;
        std::filesystem::copy_file(from / name, to / name, std::filesystem::copy_options::overwrite_existing, error);
        if (error)
            throw write_error(to / name, fmt::format("cannot be written: {}", error.message()));
        files.emplace_back(name);
    }
}

}  // namespace detail

WEIGHTSCOPE_INLINE written_model write_pruned(const std::filesystem::path& folder, const model& m, const grouped_model& groups,
                                              std::span<const group_place> removed)
{
    constexpr const char* caller = "write_pruned(folder, model, groups, removed)";
    detail::require_same_model(caller, m, groups);
    detail::require_places(caller, groups, removed);
    detail::require_other_folder(caller, folder, m);
    make_folder(folder);
    const detail::gguf_config gguf = detail::config_from_gguf(m);
    const auto path = detail::find_config(m);
    written_model result{.weights = folder / "model.safetensors", .files = {"model.safetensors"}};
    if (gguf.fields || path) {
        nlohmann::ordered_json fields = gguf.fields ? *gguf.fields : detail::read_json_document<nlohmann::ordered_json>(*path);
        const sliced_config_file config = slice_config_file(fields, groups, removed);
        write_text_file(folder / "config.json", fields.dump(2) + "\n");
        result.files.emplace_back("config.json");
        result.plain = config.plain;
        result.reason = config.reason;
        if (path)
            detail::copy_companions(path->parent_path(), folder, result.files);
    } else {
        result.plain = false;
        result.reason = gguf.reason;
    }
    std::vector<tensor_to_write> tensors;
    for (const sliced_tensor& sliced : slice_shapes(groups, removed))
        if (m.tensors[sliced.source].part_of.empty() && gguf.fields)
            detail::append_as_hugging_face(m, gguf, sliced, tensors);
        else if (m.tensors[sliced.source].part_of.empty())
            tensors.push_back({.name = sliced.name, .dtype = m.tensors[sliced.source].dtype, .shape = sliced.shape, .produce = [&m, sliced] {
                                   return slice_tensor(m, sliced);
                               }});
    write_safetensors(result.weights, tensors, {{"format", "pt"}});
    return result;
}

WEIGHTSCOPE_INLINE written_model write_pruned(const std::filesystem::path& folder, const model& m, const model_masks& masks)
{
    constexpr const char* caller = "write_pruned(folder, model, masks)";
    require(masks.size() == m.tensors.size(), "{}: masks of {} tensors, expected {}", caller, masks.size(), m.tensors.size());
    detail::require_other_folder(caller, folder, m);
    make_folder(folder);
    written_model result{.weights = folder / "model.safetensors", .files = {"model.safetensors"}};
    if (const auto path = detail::find_config(m)) {
        write_text_file(folder / "config.json", detail::read_json_document<nlohmann::ordered_json>(*path).dump(2) + "\n");
        result.files.emplace_back("config.json");
        detail::copy_companions(path->parent_path(), folder, result.files);
    } else {
        result.plain = false;
        result.reason = "the model has no config.json";
    }
    write_masked(result.weights, m, masks);
    return result;
}

}  // namespace weightscope
