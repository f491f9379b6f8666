#pragma once

#include <string>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/element_fields.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::string python_repr(double value)
{
    std::string text = fmt::format("{}", value);  // shortest that reads back, exponent from 1e16 on and below 1e-4, as in Python
    if (text.find_first_not_of("-0123456789") == std::string::npos)
        text += ".0";
    return text;
}

}  // namespace weightscope::detail
