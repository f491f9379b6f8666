#pragma once

#include <fmt/core.h>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

namespace detail {

[[noreturn]] WEIGHTSCOPE_INLINE void throw_invalid_argument(fmt::string_view message, fmt::format_args arguments);

}  // namespace detail

/// Throws std::invalid_argument unless `condition` holds.
///
/// @param message  "function(arguments): what is wrong, with {} values, and what was expected"
template <class... Args>
void require(bool condition, fmt::format_string<Args...> message, Args&&... args)
{
    if (!condition)
        detail::throw_invalid_argument(message, fmt::make_format_args(args...));
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/core/impl/require.hpp>
#endif
