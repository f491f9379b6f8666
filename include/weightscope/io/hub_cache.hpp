#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <weightscope/io/natural_order.hpp>

namespace weightscope {

/// Whether `text` could name a model on the Hugging Face hub: "org/name" or "name".
///
/// Letters, digits, '.', '_' and '-', neither ".." nor "--". What ends like a model file ("out/model.safetensors") is
/// taken for one.
[[nodiscard]] inline bool is_hub_id(std::string_view text)
{
    static constexpr std::array<std::string_view, 9> file_endings = {".safetensors", ".json", ".gguf", ".onnx", ".bin",
                                                                     ".pt",          ".pth",  ".npy",  ".npz"};
    const auto is_part = [](std::string_view part) {
        return !part.empty() && part[0] != '.' && part[0] != '-' && part.find("..") == part.npos
               && part.find("--") == part.npos && std::all_of(part.begin(), part.end(), [](char c) {
                      return detail::is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.'
                             || c == '_' || c == '-';
                  });
    };
    const std::size_t slash = text.find('/');
    const bool parts =
        slash == text.npos ? is_part(text) : is_part(text.substr(0, slash)) && is_part(text.substr(slash + 1));
    return parts && std::none_of(file_endings.begin(), file_endings.end(), [&](auto e) { return text.ends_with(e); });
}

/// The folder in which the Hugging Face libraries of this user keep what they download, whether it exists or not.
///
/// The first that is set of $HF_HUB_CACHE, $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub and
/// $HOME/.cache/huggingface/hub; empty if none is.
[[nodiscard]] inline std::filesystem::path hub_cache()
{
    struct place
    {
        const char* variable;
        const char* folder;
    };
    for (const auto [variable, folder] :
         {place{"HF_HUB_CACHE", ""}, place{"HUGGINGFACE_HUB_CACHE", ""}, place{"HF_HOME", "hub"},
          place{"XDG_CACHE_HOME", "huggingface/hub"}, place{"HOME", ".cache/huggingface/hub"}}) {
        const char* value = std::getenv(variable);
        if (value != nullptr && *value != '\0')
            return *folder == '\0' ? std::filesystem::path(value) : std::filesystem::path(value) / folder;
    }
    return {};
}

/// The folder of the model `id` in a hub cache: the revision that refs/main names, else the snapshot that was changed
/// last; nothing if the model has not been downloaded.
///
/// @param id     a name that is_hub_id() accepts
[[nodiscard]] inline std::optional<std::filesystem::path> find_in_hub_cache(
    std::string id, const std::filesystem::path& cache = hub_cache())
{
    namespace fs = std::filesystem;
    if (cache.empty())
        return std::nullopt;
    if (const std::size_t slash = id.find('/'); slash != id.npos)
        id.replace(slash, 1, "--");
    const fs::path repository = cache / ("models--" + id);
    const fs::path snapshots = repository / "snapshots";
    std::error_code error;

    std::string revision;
    std::ifstream(repository / "refs" / "main") >> revision;
    if (is_hub_id(revision) && fs::is_directory(snapshots / revision, error))  // a plain name, that leads nowhere else
        return snapshots / revision;

    std::optional<fs::path> newest;
    fs::file_time_type newest_time;
    for (fs::directory_iterator entry(snapshots, error), end; !error && entry != end; entry.increment(error)) {
        std::error_code unknown;
        const fs::file_time_type time = entry->last_write_time(unknown);
        if (unknown || !entry->is_directory(unknown))
            continue;
        if (!newest || time > newest_time || (time == newest_time && entry->path() > *newest)) {
            newest = entry->path();
            newest_time = time;
        }
    }
    return newest;
}

}  // namespace weightscope
