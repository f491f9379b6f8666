#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/file_format.hpp>
#include <weightscope/io/hub_cache.hpp>
#include <weightscope/io/json_reader.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/model_file.hpp>
#include <weightscope/io/model_folder.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/io/open_options.hpp>
#include <weightscope/io/quantized_tensors.hpp>
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

inline model open_file(const std::filesystem::path& path, const open_options& options)
{
    const auto file = std::make_shared<const mapped_file>(path);
    if (format_of(*file) == file_format::json)
        return open_index(*file, options);
    return read_model_file(file);
}

}  // namespace detail

WEIGHTSCOPE_INLINE model open_model(const std::filesystem::path& location, const open_options& options)
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
                            "path, or run: hf download {}",
                            hub_cache().string(), id));
        path = *snapshot;
    }
    const bool folder = fs::is_directory(path, error);
    model result = folder ? detail::open_folder(path, options) : detail::open_file(path, options);
    result.path = path;
    const fs::path beside = folder ? path : path.parent_path();
    const bool gguf = result.format.starts_with("GGUF");
    if (std::string configured = detail::read_architecture(beside); !configured.empty() && !gguf)  // which says so itself
        result.architecture = std::move(configured);
    if (!gguf && result.format != "ONNX")  // which name the codes and scales of a weight themselves
        detail::join_quantized_tensors(result, beside);
    return result;
}

}  // namespace weightscope
