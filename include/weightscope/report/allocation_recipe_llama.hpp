#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

/// A plan in the words of another tool.
struct quantization_recipe
{
    std::string text = {};
    std::vector<std::string> notes = {};  ///< layers that the tool treats otherwise than the plan, and how
    std::uint64_t bytes = 0;              ///< of all tensors as the tool stores them
};

namespace detail {

WEIGHTSCOPE_INLINE std::string_view llama_type_of_kept(const study_layer& layer);

WEIGHTSCOPE_INLINE quantization_recipe llama_recipe(const allocation_plan& plan);

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/allocation_recipe_llama.hpp>
#endif
