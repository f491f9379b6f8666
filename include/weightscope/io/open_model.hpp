#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/file_format.hpp>
#include <weightscope/io/hub_cache.hpp>
#include <weightscope/io/json_reader.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/natural_order.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/io/shard_names.hpp>
#include <weightscope/io/shards.hpp>

namespace weightscope {

namespace detail {

// "model_type" of the config.json in a folder; empty where there is none, or none that can be read.
inline std::string read_architecture(const std::filesystem::path& folder)
{
    std::string architecture, key;
    const std::filesystem::path path = folder / "config.json";
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error))
        return architecture;
    try {
        const mapped_file file(path);
        const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
        read_json({.path = path, .text = text, .offset = 0, .field = {}}, [&](const json_token& token) {
            if (token.depth == 1 && token.kind == json_kind::key)
                key = token.text;
            else if (token.depth == 1 && token.kind == json_kind::string && key == "model_type")
                architecture = token.text;
        });
    } catch (const io_error&) {
        // the weights can be analysed without it
    }
    return architecture;
}

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

[[noreturn]] inline void refuse_folder(const std::filesystem::path& folder, const std::vector<std::string>& files)
{
    static constexpr std::array<std::string_view, 7> foreign_endings = {".bin", ".gguf", ".onnx", ".pt",
                                                                        ".pth", ".npz",  ".h5"};
    const auto foreign = std::find_if(files.begin(), files.end(), [](const std::string& file) {
        return std::any_of(foreign_endings.begin(), foreign_endings.end(),
                           [&](auto ending) { return file.ends_with(ending); });
    });
    throw io_error(
        folder, std::nullopt, {},
        fmt::format("holds no model: looked for model.safetensors.index.json, model.safetensors, "
                    "model-*-of-*.safetensors and *.safetensors{}",
                    foreign == files.end() ? std::string()
                                           : fmt::format("; '{}' is in a format that this version does not read, {}",
                                                         printable(*foreign), "convert it to safetensors")));
}

inline model open_folder(const std::filesystem::path& folder)
{
    const std::vector<std::string> files = list_files(folder);
    std::vector<std::string> weights, numbered, indices;
    for (const std::string& file : files) {
        if (file.ends_with(".safetensors.index.json"))
            indices.push_back(file);
        if (!file.ends_with(".safetensors"))
            continue;
        weights.push_back(file);
        if (const auto name = parse_shard_name(file); name && name->prefix == "model")
            numbered.push_back(file);
    }
    const auto has = [&](std::string_view name) { return std::find(files.begin(), files.end(), name) != files.end(); };

    if (has("model.safetensors.index.json"))
        return open_index(mapped_file(folder / "model.safetensors.index.json"));
    if (has("model.safetensors"))
        return open_shards(folder, {"model.safetensors"});
    if (numbered.empty() && indices.size() == 1)
        return open_index(mapped_file(folder / indices.front()));
    if (weights.empty())
        refuse_folder(folder, files);
    const std::vector<std::string>& shards = numbered.empty() ? weights : numbered;
    require_all_shards(folder, shards);
    model result = open_shards(folder, shards);
    tensors_by_name(result);  // refuses a name that stands twice
    return result;
}

inline model open_file(const std::filesystem::path& path)
{
    const auto file = std::make_shared<const mapped_file>(path);
    if (format_of(*file) == file_format::json)
        return open_index(*file);
    return read_verified(file.get(), [&] { return read_safetensors(file); });
}

}  // namespace detail

/// Opens a model, wherever its weights lie. Reads headers only.
///
///     const model m = open_model("gpt2.safetensors");   // one file, told by its content
///     const model m = open_model("checkpoint-500");     // a folder
///     const model m = open_model("openai/gpt2");        // downloaded before by a Hugging Face library
///
/// In a folder the first of these counts: model.safetensors.index.json with the shards that it names,
/// model.safetensors, all model-*-of-*.safetensors, the only *.safetensors.index.json, all *.safetensors. Such an index
/// may be named itself. What is neither file nor folder is looked up in the local Hugging Face cache
/// (find_in_hub_cache); nothing is downloaded.
///
/// Index and shards must agree: no shard missing, each tensor in the shard that the index says and in no other.
///
/// @return tensors in the order of read_safetensors(), shard after shard in natural order; path is what was opened:
///         `location`, or the folder in the cache; architecture is taken from the config.json beside the weights
/// @throws io_error  naming the file, and the byte and the field at fault where there are such
[[nodiscard]] inline model open_model(const std::filesystem::path& location)
{
    namespace fs = std::filesystem;
    std::error_code error;
    fs::path path = location;
    if (!fs::exists(location, error)) {
        const std::string id = location.generic_string();
        if (!is_hub_id(id))
            throw io_error(location, std::nullopt, {}, "no such file or folder; check the path");
        const auto snapshot = find_in_hub_cache(id);
        if (!snapshot)
            throw io_error(
                location, std::nullopt, {},
                fmt::format("no such file or folder, and no such model in the Hugging Face cache '{}'; check the "
                            "path, or run: huggingface-cli download {}",
                            hub_cache().string(), id));
        path = *snapshot;
    }
    const bool folder = fs::is_directory(path, error);
    model result = folder ? detail::open_folder(path) : detail::open_file(path);
    result.path = path;
    result.architecture = detail::read_architecture(folder ? path : path.parent_path());
    return result;
}

}  // namespace weightscope
