#pragma once

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::string harmless(std::string_view text)
{
    return printable(text, static_cast<std::size_t>(-1));
}

WEIGHTSCOPE_INLINE std::size_t columns_of(char32_t code)
{
    const auto within = [code](char32_t first, char32_t last) { return code >= first && code <= last; };
    if (within(0x300, 0x36f) || within(0x200b, 0x200d) || within(0x20d0, 0x20ff) || within(0xfe00, 0xfe0f)
        || code == 0xfeff)
        return 0;
    return within(0x1100, 0x115f) || within(0x2e80, 0xa4cf) || within(0xac00, 0xd7a3) || within(0xf900, 0xfaff)
                   || within(0xfe30, 0xfe6f) || within(0xff00, 0xff60) || within(0xffe0, 0xffe6)
                   || within(0x1f300, 0x1faff) || within(0x20000, 0x3fffd)
               ? 2
               : 1;
}

WEIGHTSCOPE_INLINE std::vector<placed_character> characters_of(std::string_view text)
{
    std::vector<placed_character> characters;
    while (!text.empty()) {
        const utf8_character front = utf8_front(text);
        const std::size_t length = std::max<std::size_t>(front.length, 1);
        characters.push_back({text.substr(0, length), front.length ? columns_of(front.code) : 1});
        text.remove_prefix(length);
    }
    return characters;
}

WEIGHTSCOPE_INLINE std::size_t display_width(std::string_view text)
{
    std::size_t width = 0;
    for (const placed_character& c : characters_of(text))
        width += c.columns;
    return width;
}

// The longest front part that fits.
inline std::string_view fitting_front(std::string_view text, std::size_t width)
{
    std::size_t bytes = 0;
    for (const placed_character& c : characters_of(text)) {
        if (c.columns > width)
            break;
        width -= c.columns;
        bytes += c.bytes.size();
    }
    return text.substr(0, bytes);
}

// Where the part after the last characters that fit begins.
inline std::size_t fitting_back(std::string_view text, std::size_t width)
{
    std::size_t back = text.size();
    const auto characters = characters_of(text);
    for (auto c = characters.rbegin(); c != characters.rend() && c->columns <= width; ++c) {
        width -= c->columns;
        back -= c->bytes.size();
    }
    return back;
}

// The first number between dots with the dot that follows it: of a tensor's name that of its layer. Empty where there is none.
inline std::string_view layer_number(std::string_view text)
{
    for (std::size_t dot = text.find('.'); dot != std::string_view::npos; dot = text.find('.', dot + 1)) {
        const std::size_t begin = dot + 1, end = text.find_first_not_of("0123456789", begin);
        if (end != std::string_view::npos && end > begin && text[end] == '.')
            return text.substr(begin, end + 1 - begin);
    }
    return {};
}

WEIGHTSCOPE_INLINE std::string shortened(std::string_view text, std::size_t width)
{
    if (display_width(text) <= width)
        return std::string(text);
    if (width == 0)
        return {};
    std::string front(fitting_front(text, (width - 1) / 3));
    std::size_t back = fitting_back(text, width - 1 - display_width(front));
    const std::string_view number = layer_number(text);
    const auto begin = static_cast<std::size_t>(number.data() - text.data());
    if (!number.empty() && begin < back && begin + number.size() - 1 > front.size() && 1 + number.size() <= (width - 1) / 2) {
        front = "…" + std::string(number);
        back = fitting_back(text, width - 1 - display_width(front));
    }
    return front + "…" + std::string(text.substr(back));
}

WEIGHTSCOPE_INLINE std::string padded(std::string_view text, std::size_t width, bool right)
{
    const std::size_t taken = display_width(text);
    const std::string space(width > taken ? width - taken : 0, ' ');
    return right ? space + std::string(text) : std::string(text) + space;
}

WEIGHTSCOPE_INLINE std::vector<std::string> wrapped(std::string_view text, std::size_t width)
{
    std::vector<std::string> lines(1);
    while (!text.empty()) {
        std::string_view word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        const std::size_t gap = lines.back().empty() ? 0 : 1;
        if (display_width(lines.back()) + gap + display_width(word) <= width) {
            lines.back() += std::string(gap, ' ') + std::string(word);
            continue;
        }
        if (gap)
            lines.emplace_back();
        for (std::string_view part = fitting_front(word, width); part.size() < word.size() && !part.empty();
             part = fitting_front(word, width)) {
            lines.back() = part;
            lines.emplace_back();
            word.remove_prefix(part.size());
        }
        lines.back() = word;
    }
    return lines;
}

// The least width, `least` or more, at which different texts of the first column still differ.
inline std::size_t telling_width(const std::vector<std::vector<std::string>>& rows, std::size_t least, std::size_t longest)
{
    std::set<std::string_view> whole;
    for (const auto& row : rows)
        whole.insert(row[0]);
    for (std::size_t width = least; width < longest; ++width) {
        std::set<std::string> cut;
        for (const std::string_view text : whole)
            cut.insert(shortened(text, width));
        if (cut.size() == whole.size())
            return width;
    }
    return longest;
}

WEIGHTSCOPE_INLINE std::vector<std::string> text_table::lines(std::size_t width) const
{
    constexpr std::size_t gap = 2, least_text = 16;
    std::vector<std::size_t> widths(headings.size());
    std::size_t count = 1, taken = 0;
    for (std::size_t column = 1; column < headings.size(); ++column) {
        widths[column] = display_width(headings[column]);
        for (const auto& row : rows)
            widths[column] = std::max(widths[column], display_width(row[column]));
    }
    std::size_t longest = display_width(headings[0]);
    for (const auto& row : rows)
        longest = std::max(longest, display_width(row[0]));
    const std::size_t telling = telling_width(rows, least_text, longest);
    // figures give way to names that tell rows apart, but for the first of them
    while (count < headings.size() && taken + gap + widths[count] + (count == 1 ? least_text : std::max(telling, least_text)) <= width)
        taken += gap + widths[count++];
    widths[0] = std::min(longest, width - taken);

    const auto line = [&](const std::vector<std::string>& cells) {
        std::string text = padded(shortened(cells[0], widths[0]), widths[0], false);
        for (std::size_t column = 1; column < count; ++column)
            text += std::string(gap, ' ') + padded(cells[column], widths[column], true);
        return text;
    };
    std::vector<std::string> result = {line(headings)};
    for (const auto& row : rows)
        result.push_back(line(row));
    return result;
}

}  // namespace weightscope::detail
