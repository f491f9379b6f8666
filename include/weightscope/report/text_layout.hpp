#pragma once
// Text in columns of a terminal: how wide it is, and how it is shortened, wrapped and lined up.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>

namespace weightscope::detail {

// Text from outside, with nothing in it that a terminal would obey, and not cut.
WEIGHTSCOPE_INLINE std::string harmless(std::string_view text);

// Unicode 15, East_Asian_Width W and F in coarse blocks, and the combining marks that names really have.
WEIGHTSCOPE_INLINE std::size_t columns_of(char32_t code);

struct placed_character
{
    std::string_view bytes;
    std::size_t columns = 1;
};

WEIGHTSCOPE_INLINE std::vector<placed_character> characters_of(std::string_view text);

WEIGHTSCOPE_INLINE std::size_t display_width(std::string_view text);

// Cut in the middle: both ends of a tensor's name tell it from others, the last part most, and the number of its layer, which stays where there
// is room.
WEIGHTSCOPE_INLINE std::string shortened(std::string_view text, std::size_t width);

WEIGHTSCOPE_INLINE std::string padded(std::string_view text, std::size_t width, bool right);

// Lines of at most `width` columns, broken at spaces, and within a word only where it is longer than a line.
WEIGHTSCOPE_INLINE std::vector<std::string> wrapped(std::string_view text, std::size_t width);

// Rows under headings; the first column is text and takes what the others leave, the others are figures. Columns that find no
// place beside texts that can be told apart are left out, the last one first.
struct text_table
{
    std::vector<std::string> headings = {};
    std::vector<std::vector<std::string>> rows = {};  // as many cells as headings

    std::vector<std::string> lines(std::size_t width) const;
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/text_layout.hpp>
#endif
