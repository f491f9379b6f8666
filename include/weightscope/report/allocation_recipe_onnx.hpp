#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/onnx_weight_nodes.hpp>
#include <weightscope/report/allocation_recipe_llama.hpp>
#include <weightscope/report/allocation_result.hpp>

namespace weightscope::detail {

// ONNX Runtime quantizes nodes: 8 bits by quantize_static(nodes_to_quantize), fewer in blocks by MatMulNBitsQuantizer(nodes_to_include).
WEIGHTSCOPE_INLINE quantization_recipe onnx_recipe(const allocation_plan& plan, const weight_nodes& nodes);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/allocation_recipe_onnx.hpp>
#endif
