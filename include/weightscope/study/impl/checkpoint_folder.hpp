#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/natural_order.hpp>
#include <weightscope/study/checkpoint_folder.hpp>

namespace weightscope {

namespace detail {

// Files that hold weights, and are not being written under another name.
inline bool is_weight_file(const std::filesystem::path& path)
{
    static constexpr std::array<std::string_view, 8> endings = {".safetensors", ".gguf", ".onnx", ".pt", ".pth", ".bin", ".ckpt", ".npz"};
    const std::string name = path.filename().string();
    return !name.starts_with(".")
           && std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return name.ends_with(ending); });
}

inline std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder)
{
    std::vector<std::filesystem::path> entries;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
        entries.push_back(entry->path());
    std::sort(entries.begin(), entries.end(),
              [](const auto& a, const auto& b) { return natural_less(a.filename().string(), b.filename().string()); });
    return entries;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder)
{
    std::vector<std::filesystem::path> folders, files;
    std::error_code error;
    for (const auto& entry : detail::entries_of(folder)) {
        if (!std::filesystem::is_directory(entry, error)) {
            if (detail::is_weight_file(entry))
                files.push_back(entry);
            continue;
        }
        const auto inside = detail::entries_of(entry);
        if (!entry.filename().string().starts_with(".") && std::any_of(inside.begin(), inside.end(), detail::is_weight_file))
            folders.push_back(entry);
    }
    return folders.empty() ? files : folders;
}

WEIGHTSCOPE_INLINE std::vector<std::filesystem::path> checkpoint_watcher::settled()
{
    std::vector<std::filesystem::path> ready;
    for (const auto& path : list_checkpoints(folder_)) {
        if (taken_.contains(path.string()))
            continue;
        const auto now = bytes_of(path);
        const auto seen = sizes_.find(path.string());
        if (seen != sizes_.end() && seen->second == now && now.second > 0)
            ready.push_back(path);
        sizes_[path.string()] = now;
    }
    return ready;
}

WEIGHTSCOPE_INLINE std::pair<std::size_t, std::uintmax_t> checkpoint_watcher::bytes_of(const std::filesystem::path& path)
{
    std::error_code error;
    std::pair<std::size_t, std::uintmax_t> sum = {0, 0};
    const auto add = [&](const std::filesystem::path& file) {
        const std::uintmax_t size = std::filesystem::file_size(file, error);
        ++sum.first;
        sum.second += error ? 0 : size;
    };
    if (!std::filesystem::is_directory(path, error))
        add(path);
    else
        for (const auto& entry : detail::entries_of(path))
            if (!std::filesystem::is_directory(entry, error))
                add(entry);
    return sum;
}

}  // namespace weightscope
