#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

/// Whether `text` could name a model on the Hugging Face hub: "org/name" or "name".
///
/// Letters, digits, '.', '_' and '-', neither ".." nor "--". What ends like a model file ("out/model.safetensors") is
/// taken for one.
[[nodiscard]] WEIGHTSCOPE_INLINE bool is_hub_id(std::string_view text);

/// The folder in which the Hugging Face libraries of this user keep what they download, whether it exists or not.
///
/// The first that is set of $HF_HUB_CACHE, $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub and
/// $HOME/.cache/huggingface/hub; empty if none is.
[[nodiscard]] WEIGHTSCOPE_INLINE std::filesystem::path hub_cache();

/// The folder of the model `id` in a hub cache: the revision that refs/main names, else the snapshot that was changed
/// last; nothing if the model has not been downloaded.
///
/// @param id     a name that is_hub_id() accepts
[[nodiscard]] WEIGHTSCOPE_INLINE std::optional<std::filesystem::path> find_in_hub_cache(std::string id,
                                                                                        const std::filesystem::path& cache = hub_cache());

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/hub_cache.hpp>
#endif
