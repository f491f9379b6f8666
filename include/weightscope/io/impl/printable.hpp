#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE utf8_character utf8_front(std::string_view text)
{
    const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
    const char32_t lead = byte(0);
    if (lead < 0x80)
        return {1, lead};
    const std::size_t length = lead >= 0xc2 && lead < 0xe0   ? 2
                               : lead >= 0xe0 && lead < 0xf0 ? 3
                               : lead >= 0xf0 && lead < 0xf5 ? 4
                                                             : 0;
    if (length == 0 || text.size() < length)
        return {};
    char32_t code = lead & (0xffu >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80)
            return {};
        code = (code << 6) | (byte(i) & 0x3f);
    }
    const char32_t least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return {};
    return {length, code};
}

WEIGHTSCOPE_INLINE bool disturbs_a_terminal(char32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029
           || (code >= 0x200e && code <= 0x200f) || (code >= 0x202a && code <= 0x202e)
           || (code >= 0x2066 && code <= 0x2069);
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::optional<std::size_t> find_invalid_utf8(std::string_view text)
{
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = detail::utf8_front(text.substr(i)).length;
        if (length == 0)
            return i;
        i += length;
    }
    return std::nullopt;
}

WEIGHTSCOPE_INLINE std::string printable(std::string_view text, std::size_t longest)
{
    std::string result;
    while (!text.empty()) {
        const detail::utf8_character front = detail::utf8_front(text);
        std::string shown(text.substr(0, front.length));
        if (front.length == 0)
            shown = fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
        else if (detail::disturbs_a_terminal(front.code))
            shown = fmt::format("\\u{{{:x}}}", static_cast<unsigned>(front.code));
        if (result.size() + shown.size() > longest)
            return result + "...";
        result += shown;
        text.remove_prefix(front.length == 0 ? 1 : front.length);
    }
    return result;
}

}  // namespace weightscope
