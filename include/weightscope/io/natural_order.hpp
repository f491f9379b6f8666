#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace weightscope {

namespace detail {

constexpr bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// the digits at the front of `text`, without leading zeros, and the text behind them
struct leading_number
{
    std::string_view digits, rest;
};

constexpr leading_number split_number(std::string_view text)
{
    std::size_t zeros = 0;
    while (zeros < text.size() && text[zeros] == '0')
        ++zeros;
    std::size_t end = zeros;
    while (end < text.size() && is_digit(text[end]))
        ++end;
    return {text.substr(zeros, end - zeros), text.substr(end)};
}

}  // namespace detail

/// True if `a` stands before `b` when runs of digits are compared as numbers: "layers.2" before "layers.10".
/// Everything else is compared by bytes; names equal but for leading zeros ("a01", "a1") too. A strict total order.
[[nodiscard]] constexpr bool natural_less(std::string_view a, std::string_view b)
{
    std::string_view x = a, y = b;
    while (!x.empty() && !y.empty()) {
        if (detail::is_digit(x[0]) && detail::is_digit(y[0])) {
            const auto m = detail::split_number(x), n = detail::split_number(y);
            if (m.digits.size() != n.digits.size())
                return m.digits.size() < n.digits.size();
            if (m.digits != n.digits)
                return m.digits < n.digits;
            x = m.rest;
            y = n.rest;
        } else if (x[0] != y[0]) {
            return static_cast<unsigned char>(x[0]) < static_cast<unsigned char>(y[0]);
        } else {
            x.remove_prefix(1);
            y.remove_prefix(1);
        }
    }
    return x.empty() != y.empty() ? x.empty() : a < b;
}

}  // namespace weightscope
