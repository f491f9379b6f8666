#pragma once

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/model_file.hpp>
#include <weightscope/io/natural_order.hpp>
#include <weightscope/io/open_options.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/shard_index.hpp>

namespace weightscope::detail {

// Where the tensors of a model stand, by name. Refuses a name that stands twice.
inline std::unordered_map<std::string_view, const named_tensor*> tensors_by_name(const model& m)
{
    std::unordered_map<std::string_view, const named_tensor*> by_name;
    for (const named_tensor& tensor : m.tensors)
        if (const auto [other, is_new] = by_name.emplace(tensor.name, &tensor); !is_new)
            throw io_error(
                tensor.file->path(), std::nullopt, fmt::format("tensor '{}'", printable(tensor.name)),
                fmt::format("stands in '{}' as well; if these files are no shards of one model, open one of them",
                            printable(other->second->file->path().filename().string())));
    return by_name;
}

// "'model-2-of-3.safetensors': byte 8: header length: ...", without the folder.
inline std::string lost_shard(const std::string& shard, const io_error& error)
{
    const std::string fault = error.what(), file = error.file().string();
    return fmt::format("'{}'{}", printable(shard), fault.starts_with(file) ? fault.substr(file.size()) : ": " + fault);
}

// Opens these files of a folder, in this order, as one model. Where their metadata differ, the first counts.
inline model open_shards(const std::filesystem::path& folder, const std::vector<std::string>& shards, const open_options& options,
                         model_metadata metadata = {})
{
    model result{.path = folder, .format = shards.empty() ? "safetensors" : "", .metadata = std::move(metadata)};
    for (const std::string& shard : shards) {
        model part;
        try {
            part = read_model_file(std::make_shared<const mapped_file>(folder / shard));
        } catch (const io_error& error) {
            const bool last_hope = result.tensors.empty() && &shard == &shards.back();
            if (!options.allow_lost_shards || last_hope)
                throw;
            result.lost_shards.push_back(lost_shard(shard, error));
            continue;
        }
        if (result.format.empty())
            result.format = part.format;
        if (result.architecture.empty())
            result.architecture = part.architecture;
        std::move(part.tensors.begin(), part.tensors.end(), std::back_inserter(result.tensors));
        for (auto& [key, value] : part.metadata)
            if (std::none_of(result.metadata.begin(), result.metadata.end(),
                             [&key = key](const auto& known) { return known.first == key; }))
                result.metadata.emplace_back(std::move(key), std::move(value));
    }
    return result;
}

// Opens the shards that an index names, and checks that index and shards tell the same.
inline model open_index(const mapped_file& file, const open_options& options)
{
    const std::filesystem::path folder = file.path().parent_path();
    const shard_index index = read_verified(&file, [&] { return read_shard_index(file); });
    std::set<std::string, decltype(&natural_less)> shards(natural_less), missing(natural_less);
    for (const index_entry& entry : index.entries) {
        std::error_code error;
        if (shards.contains(entry.shard) || missing.contains(entry.shard))
            continue;
        const bool is_there = std::filesystem::exists(folder / entry.shard, error);
        if (!is_there && !options.allow_lost_shards)
            throw io_error(file.path(), entry.offset, entry.field(),
                           fmt::format("the shard '{}' is not there; download it as well", printable(entry.shard)));
        (is_there ? shards : missing).insert(entry.shard);
    }
    if (shards.empty() && !missing.empty())
        throw io_error(file.path(), std::nullopt, {}, "none of its shards is there; download them as well");
    model result = open_shards(folder, {shards.begin(), shards.end()}, options, index.metadata);
    result.path = file.path();
    for (const std::string& shard : missing)
        result.lost_shards.push_back(fmt::format("'{}' is not there", printable(shard)));

    auto unnamed = tensors_by_name(result);
    std::set<std::filesystem::path> opened;
    for (const named_tensor& tensor : result.tensors)
        opened.insert(tensor.file->path());
    for (const index_entry& entry : index.entries) {
        if (!result.lost_shards.empty() && !opened.contains(folder / entry.shard))
            continue;  // it is lost, and what it held
        const auto tensor = unnamed.find(entry.tensor);
        if (tensor == unnamed.end() || tensor->second->file->path() != folder / entry.shard)
            throw io_error(
                file.path(), entry.offset, entry.field(),
                fmt::format("the shard '{}' holds no such tensor; download index and shards again from one place",
                            printable(entry.shard)));
        unnamed.erase(tensor);
    }
    for (const named_tensor& tensor : result.tensors)
        if (unnamed.contains(tensor.name))
            throw io_error(
                tensor.file->path(), std::nullopt, fmt::format("tensor '{}'", printable(tensor.name)),
                fmt::format("is not in the weight_map of '{}'; download index and shards again from one place",
                            printable(file.path().filename().string())));
    return result;
}

}  // namespace weightscope::detail
