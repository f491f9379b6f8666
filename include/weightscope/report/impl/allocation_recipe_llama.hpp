#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/gguf_names.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/allocation_recipe_llama.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/allocation_steps.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope::detail {

// A type of ggml: `bytes` for each block of `weights` neighbours along a row.
struct llama_type
{
    std::string_view name = {};
    std::size_t weights = 1, bytes = 1;
    std::string_view fallback = {};  // where rows are no multiple of the block
};

// Block sizes of ggml-common.h, fallbacks of llama-quantize.
inline constexpr std::array<llama_type, 16> llama_types = {{{"q4_0", 32, 18, "f16"},   {"q4_1", 32, 20, "f16"},   {"q5_0", 32, 22, "f16"},
                                                            {"q5_1", 32, 24, "f16"},   {"q8_0", 32, 34, "f16"},   {"iq4_nl", 32, 18, "f16"},
                                                            {"q2_k", 256, 84, "iq4_nl"}, {"q3_k", 256, 110, "iq4_nl"}, {"q4_k", 256, 144, "q5_0"},
                                                            {"q5_k", 256, 176, "q5_1"}, {"q6_k", 256, 210, "q8_0"}, {"mxfp4", 32, 17, "f16"},
                                                            {"f16", 1, 2, ""},         {"bf16", 1, 2, ""},        {"f32", 1, 4, ""},
                                                            {"", 1, 0, ""}}};

inline const llama_type& llama_type_named(std::string_view name)
{
    return *std::find_if(llama_types.begin(), llama_types.end() - 1, [&](const llama_type& type) { return type.name == name; });
}

// The type of ggml that is a scheme, or stands closest to it: `same` tells which.
struct llama_counterpart
{
    std::string_view type = {};
    bool same = false;
};

inline llama_counterpart llama_counterpart_of(const std::string& scheme_name, const scheme& s)
{
    std::string_view name = scheme_name;
    if (name.starts_with("ggml-"))
        name.remove_prefix(5);
    if (const llama_type& type = llama_type_named(name); !type.name.empty())
        return {.type = type.name, .same = true};
    const bool integer = scheme_name.starts_with("int");
    if (!integer || s.bits > 8)
        return {};
    const bool small = s.granularity == scale_granularity::per_group && s.group_size <= 32;
    switch (s.bits) {
    case 2: return {.type = "q2_k"};
    case 3: return {.type = "q3_k"};
    case 4: return {.type = small ? (s.symmetric ? "q4_0" : "q4_1") : "q4_k"};
    case 5: return {.type = small ? (s.symmetric ? "q5_0" : "q5_1") : "q5_k"};
    case 6: return {.type = "q6_k"};
    default: return {.type = "q8_0"};
    }
}

WEIGHTSCOPE_INLINE std::string_view llama_type_of_kept(const study_layer& layer)
{
    if (layer.shape.size() < 2)
        return "f32";  // llama.cpp keeps vectors in single precision
    if (layer.dtype == "F64")
        return "f32";
    std::string name = layer.dtype;  // blocks of a GGUF file stay what they are
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return llama_type_named(name).name;
}

WEIGHTSCOPE_INLINE quantization_recipe llama_recipe(const allocation_plan& plan)
{
    quantization_recipe recipe;
    std::map<std::string, std::string> stand_ins;
    for (std::size_t i = 0; i < plan.study.layers.size(); ++i) {
        const study_layer& layer = plan.study.layers[i];
        const layer_pick& pick = plan.study.variants[plan.variant].picks[i];
        std::string name = gguf_name(layer.name, "llama");
        name = name == layer.name ? gguf_name(layer.name, "gpt2") : name;
        if (!layer.tied_to.empty())
            continue;
        require(layer.name.find('[') == std::string::npos || pick.scheme == kept_as_stored,
                "to_recipe(plan, format): llama-quantize gives a whole stack of experts one type, and {} is a part of one; choose another recipe",
                printable(layer.name));
        const std::size_t rows = layer.shape.size() < 2 ? 1 : layer.shape[layer.transposed ? 1 : 0];
        const std::size_t cols = rows > 0 ? layer.parameters / rows : 0;
        std::string_view type = llama_type_of_kept(layer);
        if (pick.scheme != kept_as_stored) {
            const std::string scheme_name = plan_format_name(plan, pick.scheme);
            const llama_counterpart counterpart = llama_counterpart_of(scheme_name, plan.study.schemes[pick.scheme]);
            require(!counterpart.type.empty(), "to_recipe(plan, format): llama.cpp has no type for {} in {}; choose other candidates, such as q4_0 and q8_0",
                    printable(layer.name), scheme_name);
            type = counterpart.type;
            if (!counterpart.same)
                stand_ins.emplace(scheme_name, type);
            for (const llama_type* t = &llama_type_named(type); cols % t->weights != 0; t = &llama_type_named(type)) {
                recipe.notes.push_back(fmt::format("{}: {} columns are no multiple of {}: {} instead of {}", printable(name), cols, t->weights, t->fallback, type));
                type = t->fallback;
            }
        }
        const llama_type& stored = llama_type_named(type);
        recipe.bytes += stored.name.empty() ? layer.bytes : layer.parameters / stored.weights * stored.bytes;
        if (stored.name.empty() || layer.shape.size() < 2)
            continue;
        if (name == layer.name && !name.starts_with("blk.") && !name.ends_with("embd.weight") && name != "output.weight")
            recipe.notes.push_back(fmt::format("{}: its name in llama.cpp is not known, its own stands in the list", printable(name)));
        std::string pattern = "^";
        for (const char c : name) {
            if (std::string_view(".^$|()[]{}*+?\\").find(c) != std::string_view::npos)
                pattern += '\\';
            pattern += c;
        }
        recipe.text += fmt::format("{}$={}\n", pattern, type);
    }
    for (const auto& [name, type] : stand_ins)
        recipe.notes.push_back(fmt::format("{} has no type of its own in llama.cpp: {} stands for it", name, type));
    return recipe;
}

}  // namespace weightscope::detail
