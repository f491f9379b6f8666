#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

/// The checkpoints in a folder, in natural order: its folders that hold files of weights, or where there are none, its files of weights.
/// Names that begin with a dot are left out, as they are of files that are being written.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder);

/// Finds the checkpoints that were added to a folder and are no longer being written.
class checkpoint_watcher
{
public:
    explicit checkpoint_watcher(std::filesystem::path folder) : folder_(std::move(folder)) {}

    /// Those that are new since the last call, in natural order, and as long as they were then: what still grows is left for later.
    [[nodiscard]] std::vector<std::filesystem::path> settled();

    /// `path` needs not be told again.
    void take(const std::filesystem::path& path) { taken_[path.string()] = true; }

private:
    // Files and bytes of a checkpoint.
    static std::pair<std::size_t, std::uintmax_t> bytes_of(const std::filesystem::path& path);

    std::filesystem::path folder_;
    std::map<std::string, bool> taken_ = {};
    std::map<std::string, std::pair<std::size_t, std::uintmax_t>> sizes_ = {};
};

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/checkpoint_folder.hpp>
#endif
