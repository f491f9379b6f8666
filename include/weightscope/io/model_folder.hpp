#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
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
#include <weightscope/io/shard_names.hpp>
#include <weightscope/io/shards.hpp>

namespace weightscope::detail {

// Names of the files in a folder, links included, in natural order.
inline std::vector<std::string> list_files(const std::filesystem::path& folder)
{
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
        if (std::error_code unknown; !entry->is_directory(unknown))
            names.push_back(entry->path().filename().string());
    if (error)
        throw io_error(folder, std::nullopt, {}, fmt::format("the folder cannot be read: {}", error.message()));
    std::sort(names.begin(), names.end(), natural_less);
    return names;
}

[[noreturn]] inline void refuse_missing(const std::filesystem::path& folder, const std::string& shard)
{
    throw io_error(folder, std::nullopt, {}, fmt::format("the shard '{}' is missing; download it as well", printable(shard)));
}

// What to open in a folder: an index, or files that are one model together.
struct folder_choice
{
    std::string index = {};
    std::vector<std::string> files = {};
    std::vector<std::string> missing = {};  // shards that should be among the files

    explicit operator bool() const { return !index.empty() || !files.empty(); }
};

// Chooses among the files of a folder. Each format has its own habits.
class model_chooser
{
public:
    explicit model_chooser(const std::filesystem::path& folder) : folder_(folder), files_(list_files(folder)) {}

    folder_choice choose() const
    {
        if (auto choice = safetensors())
            return choice;
        if (auto choice = gguf())
            return choice;
        if (auto choice = pytorch())
            return choice;
        for (const std::string_view ending : {".onnx", ".npz"})
            if (auto choice = only_one(ending_in(ending)))
                return choice;
        if (auto choice = only_one(checkpoints()))
            return choice;
        if (auto choice = only_one(ending_in(".npy")))
            return choice;
        refuse();
    }

    // Models in other formats, which are passed over.
    std::vector<std::string> others(const folder_choice& chosen) const
    {
        const std::string& taken = chosen.files.empty() ? chosen.index : chosen.files.front();
        std::vector<std::string> result;
        for (const std::string_view ending : {".safetensors", ".gguf", ".bin", ".onnx", ".npz"}) {
            if (taken.ends_with(ending) || taken.find(std::string(ending) + ".") != std::string::npos)
                continue;
            for (std::string& file : ending_in(ending))
                if (ending != ".bin" || file.starts_with("pytorch_model"))
                    result.push_back(std::move(file));
        }
        return result;
    }

private:
    bool has(std::string_view name) const { return std::find(files_.begin(), files_.end(), name) != files_.end(); }

    std::vector<std::string> ending_in(std::string_view ending) const
    {
        std::vector<std::string> result;
        std::copy_if(files_.begin(), files_.end(), std::back_inserter(result), [&](const auto& file) { return file.ends_with(ending); });
        return result;
    }

    folder_choice safetensors() const
    {
        std::vector<std::string> weights = ending_in(".safetensors"), numbered;
        const std::vector<std::string> indices = ending_in(".safetensors.index.json");
        for (const std::string& file : weights)
            if (const auto name = parse_shard_name(file); name && name->prefix == "model")
                numbered.push_back(file);
        if (has("model.safetensors.index.json"))
            return {.index = "model.safetensors.index.json"};
        if (has("model.safetensors"))
            return {.files = {"model.safetensors"}};
        if (numbered.empty() && indices.size() == 1)
            return {.index = indices.front()};
        const std::vector<std::string>& shards = numbered.empty() ? weights : numbered;
        return {.files = shards, .missing = missing_shards(shards)};
    }

    // One file, or the parts of one, of which each opens the others.
    folder_choice gguf() const
    {
        const std::vector<std::string> files = ending_in(".gguf");
        const auto first = files.empty() ? std::nullopt : parse_shard_name(files.front(), ".gguf");
        const bool one_series = first && std::all_of(files.begin(), files.end(), [&](const std::string& file) {
            const auto name = parse_shard_name(file, ".gguf");
            return name && name->prefix == first->prefix && name->total == first->total;
        });
        if (!one_series)
            return only_one(files);
        if (const std::vector<std::string> missing = missing_shards(files, ".gguf"); !missing.empty())
            refuse_missing(folder_, missing.front());
        return {.files = {files.front()}};
    }

    folder_choice pytorch() const
    {
        if (has("pytorch_model.bin.index.json"))
            return {.index = "pytorch_model.bin.index.json"};
        if (has("pytorch_model.bin"))
            return {.files = {"pytorch_model.bin"}};
        std::vector<std::string> shards;
        for (const std::string& file : ending_in(".bin"))
            if (const auto name = parse_shard_name(file, ".bin"); name && name->prefix == "pytorch_model")
                shards.push_back(file);
        return {.files = shards, .missing = missing_shards(shards, ".bin")};
    }

    // What a trainer saves beside the weights is no model.
    std::vector<std::string> checkpoints() const
    {
        static constexpr std::array<std::string_view, 5> beside = {"optimizer", "scheduler", "rng_state", "scaler", "training_args"};
        std::vector<std::string> result;
        for (const std::string_view ending : {".pt", ".pth", ".ckpt", ".bin"})
            for (std::string& file : ending_in(ending))
                if (std::none_of(beside.begin(), beside.end(), [&](auto name) { return file.starts_with(name); }))
                    result.push_back(std::move(file));
        return result;
    }

    folder_choice only_one(const std::vector<std::string>& files) const
    {
        if (files.size() > 1)
            throw io_error(folder_, std::nullopt, {},
                           fmt::format("holds {} models, '{}', '{}'{}; open one of them", files.size(), printable(files[0]),
                                       printable(files[1]), files.size() > 2 ? "..." : ""));
        return {.files = files};
    }

    [[noreturn]] void refuse() const
    {
        static constexpr std::array<std::string_view, 8> foreign_endings = {".h5",     ".keras", ".msgpack", ".tflite",
                                                                            ".mlmodel", ".pb",    ".index",   ".pdparams"};
        const auto foreign = std::find_if(files_.begin(), files_.end(), [](const std::string& file) {
            return std::any_of(foreign_endings.begin(), foreign_endings.end(), [&](auto ending) { return file.ends_with(ending); });
        });
        throw io_error(folder_, std::nullopt, {},
                       fmt::format("holds no model: looked for model.safetensors.index.json, *.safetensors, *.gguf, pytorch_model*.bin, "
                                   "*.onnx, *.npz, *.pt, *.pth, *.ckpt, *.bin and *.npy{}",
                                   foreign == files_.end() ? std::string()
                                                           : fmt::format("; '{}' is in a format that this version does not read, {}",
                                                                         printable(*foreign), "save its weights as safetensors")));
    }

    const std::filesystem::path& folder_;
    std::vector<std::string> files_;
};

inline model open_folder(const std::filesystem::path& folder, const open_options& options)
{
    const model_chooser chooser(folder);
    const folder_choice choice = chooser.choose();
    if (!choice.missing.empty() && !options.allow_lost_shards)
        refuse_missing(folder, choice.missing.front());
    model result = choice.index.empty() ? open_shards(folder, choice.files, options) : open_index(mapped_file(folder / choice.index), options);
    for (const std::string& shard : choice.missing)
        result.lost_shards.push_back(fmt::format("'{}' is not there", printable(shard)));
    if (choice.files.size() > 1)
        tensors_by_name(result);  // refuses a name that stands twice
    if (const std::vector<std::string> others = chooser.others(choice); !others.empty())
        result.notes.push_back(fmt::format("opened '{}' and passed over '{}'{}",
                                           printable(choice.index.empty() ? choice.files.front() : choice.index),
                                           printable(others.front()),
                                           others.size() > 1 ? fmt::format(" and {} more", others.size() - 1) : std::string()));
    return result;
}

}  // namespace weightscope::detail
