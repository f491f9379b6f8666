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

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/hub_cache.hpp>
#include <weightscope/io/natural_order.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE bool is_hub_id(std::string_view text)
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

WEIGHTSCOPE_INLINE std::filesystem::path hub_cache()
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

WEIGHTSCOPE_INLINE std::optional<std::filesystem::path> find_in_hub_cache(std::string id, const std::filesystem::path& cache)
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
