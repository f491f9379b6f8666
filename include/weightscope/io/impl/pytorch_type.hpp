#pragma once

#include <cstddef>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/pytorch_type.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE const torch_type* torch_type_of_storage(std::string_view global)
{
    constexpr std::string_view ending = "Storage";
    const std::size_t dot = global.rfind('.');
    if (dot == std::string_view::npos || !global.ends_with(ending))
        return nullptr;
    const std::string_view module = global.substr(0, dot);
    if (module != "torch" && module != "torch.cuda" && module != "torch.storage")
        return nullptr;
    const std::string_view name = global.substr(dot + 1, global.size() - dot - 1 - ending.size());
    for (const torch_type& type : torch_types)
        if (!name.empty() && type.storage == name)
            return &type;
    return nullptr;
}

WEIGHTSCOPE_INLINE const torch_type* torch_type_of_dtype(std::string_view global)
{
    constexpr std::string_view module = "torch.";
    for (const torch_type& type : torch_types)
        if (global.starts_with(module) && type.name == global.substr(module.size()))
            return &type;
    return nullptr;
}

}  // namespace weightscope::detail
