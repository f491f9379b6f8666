#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

namespace detail {

struct utf8_character
{
    std::size_t length = 0;  // bytes; 0 where the text is not UTF-8
    char32_t code = 0;
};

// Unicode 15, table 3-7: no overlong forms, no surrogates, nothing past U+10FFFF
WEIGHTSCOPE_INLINE utf8_character utf8_front(std::string_view text);

// control characters, and those that turn the direction of the text around them
WEIGHTSCOPE_INLINE bool disturbs_a_terminal(char32_t code);

}  // namespace detail

/// Where `text` stops being UTF-8: the index of the first byte that belongs to no character, or nothing.
[[nodiscard]] WEIGHTSCOPE_INLINE std::optional<std::size_t> find_invalid_utf8(std::string_view text);

/// Text from a file, made fit for one line of a message.
///
/// Control characters become \u{1b}, bytes that are not UTF-8 become \xff, and what is longer than `longest` bytes is
/// cut at a character and ends in "...".
[[nodiscard]] WEIGHTSCOPE_INLINE std::string printable(std::string_view text, std::size_t longest = 120);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/printable.hpp>
#endif
