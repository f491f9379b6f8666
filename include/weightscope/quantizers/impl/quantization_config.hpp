#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/quantizers/quantization_config.hpp>
#include <weightscope/quantizers/scheme_name.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE quantization_type parse_quantization_type(std::string_view text)
{
    std::vector<std::string_view> names;
    for (const auto& [type, name] : detail::quantization_types) {
        if (name == text)
            return type;
        names.push_back(name);
    }
    require(false, "parse_quantization_type(text): no quant_type is named '{}', expected one of {}", text, fmt::join(names, ", "));
    return {};
}

WEIGHTSCOPE_INLINE std::string name_of(const quantization_config& config)
{
    if (!config.name.empty())
        return config.name;
    const std::string normal = to_string(scheme_of(config)), sensitive = to_string(scheme_of(config, true));
    return config.sensitive_layers.empty() || normal == sensitive ? normal : fmt::format("{} + {}", normal, sensitive);
}

WEIGHTSCOPE_INLINE quantization_config quantization_preset(std::string_view name)
{
    const auto& names = detail::quantization_presets;
    require(std::find(names.begin(), names.end(), name) != names.end(), "quantization_preset(name): no preset is named '{}', expected one of {}",
            name, fmt::join(names, ", "));
    quantization_config config{.name = std::string(name)};
    if (name == "accuracy")
        config.quant_type = quantization_type::int8_per_channel_asym;
    if (name == "prototype") {
        config.quant_type = quantization_type::int8_per_tensor_sym;
        config.skip_first_last = false;
    }
    if (name == "mobile" || name == "smallest") {
        config.quant_type = quantization_type::int4_group;
        config.group_size = name == "mobile" ? 64 : 128;
    }
    return config;
}

WEIGHTSCOPE_INLINE std::vector<quantization_config> study_configs()
{
    std::vector<quantization_config> configs;
    for (const quantization_type type : {quantization_type::int8_per_tensor_sym, quantization_type::int8_per_tensor_asym,
                                         quantization_type::int8_per_channel_sym, quantization_type::int8_per_channel_asym})
        configs.push_back({.quant_type = type});
    configs.push_back({.quant_type = quantization_type::int8_per_channel_sym, .bits = 4});
    for (const std::size_t size : {128, 64, 32})
        configs.push_back({.quant_type = quantization_type::int4_group, .group_size = size});
    return configs;
}

}  // namespace weightscope
