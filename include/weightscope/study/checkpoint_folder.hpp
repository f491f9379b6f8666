#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <weightscope/io/natural_order.hpp>

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

/// The checkpoints in a folder, in natural order: its folders that hold files of weights, or where there are none, its files of weights.
/// Names that begin with a dot are left out, as they are of files that are being written.
[[nodiscard]] inline std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder)
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

/// Finds the checkpoints that were added to a folder and are no longer being written.
class checkpoint_watcher
{
public:
    explicit checkpoint_watcher(std::filesystem::path folder) : folder_(std::move(folder)) {}

    /// Those that are new since the last call, in natural order, and as long as they were then: what still grows is left for later.
    [[nodiscard]] std::vector<std::filesystem::path> settled()
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

    /// `path` needs not be told again.
    void take(const std::filesystem::path& path) { taken_[path.string()] = true; }

private:
    // Files and bytes of a checkpoint.
    static std::pair<std::size_t, std::uintmax_t> bytes_of(const std::filesystem::path& path)
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

    std::filesystem::path folder_;
    std::map<std::string, bool> taken_ = {};
    std::map<std::string, std::pair<std::size_t, std::uintmax_t>> sizes_ = {};
};

}  // namespace weightscope
