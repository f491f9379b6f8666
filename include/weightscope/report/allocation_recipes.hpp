#pragma once

#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/onnx_weight_nodes.hpp>
#include <weightscope/report/allocation_recipe_llama.hpp>
#include <weightscope/report/allocation_result.hpp>

namespace weightscope {

/// Who takes over a plan.
enum class recipe_format
{
    llama_quantize,      ///< --tensor-type-file
    compressed_tensors,  ///< quantization_config of a config.json
    llm_compressor,      ///< a recipe in YAML
    onnxruntime,         ///< lists of nodes, for its quantizers
    json,                ///< to_json()
    csv,                 ///< to_csv()
};

inline constexpr std::string_view recipe_names[] = {"llama-quantize", "compressed-tensors", "llm-compressor", "onnxruntime", "json", "csv"};

/// A plan in the words of the tool that carries it out.
///
/// Tools store and round in their own ways: bytes are those of the tensors as that tool stores them, without its headers, and every layer
/// that it cannot treat as planned is told.
///
/// @param nodes  of an ONNX model, see onnx_weight_nodes(); for the others empty
/// @throws std::invalid_argument  the tool has no form for a format of the plan
[[nodiscard]] WEIGHTSCOPE_INLINE quantization_recipe to_recipe(const allocation_plan& plan, recipe_format format, const weight_nodes& nodes = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/allocation_recipes.hpp>
#endif
