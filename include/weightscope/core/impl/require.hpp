#pragma once

#include <stdexcept>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE void detail::throw_invalid_argument(fmt::string_view message, fmt::format_args arguments)
{
    throw std::invalid_argument("weightscope::" + fmt::vformat(message, arguments));
}

}  // namespace weightscope
