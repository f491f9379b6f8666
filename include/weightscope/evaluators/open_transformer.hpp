#pragma once

#include <concepts>
#include <filesystem>
#include <system_error>
#include <utility>

#include <weightscope/evaluators/token_rows.hpp>
#include <weightscope/evaluators/transformer.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/evaluators/transformer_config_gguf.hpp>
#include <weightscope/io/gguf_names.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/open_model.hpp>

namespace weightscope {

/// Opens a model (see open_model) and the config.json beside its weights as a transformer. A GGUF file has its configuration in
/// itself; its quantized weights are decoded and held as floats.
///
/// @param location  a folder, a file of weights, or the id of a model in the Hugging Face cache
/// @param tokens    what it is run on: read_tokens(), cut_tokens()
/// @throws io_error               the model or its configuration cannot be read, is not complete, or is not supported
/// @throws std::invalid_argument  tokens or options do not fit the model
template <std::floating_point Real = float>
[[nodiscard]] transformer<Real> open_transformer(const std::filesystem::path& location, token_rows tokens,
                                                 const transformer_options& options = {})
{
    const model m = open_model(location);
    if (has_gguf_names(m))
        return {m, read_transformer_config(m), std::move(tokens), options};
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::is_directory(m.path, error) ? m.path : m.path.parent_path();
    return {m, read_transformer_config(folder / "config.json"), std::move(tokens), options};
}

}  // namespace weightscope
