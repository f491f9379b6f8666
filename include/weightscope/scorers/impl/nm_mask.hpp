#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/group_choice.hpp>
#include <weightscope/scorers/mask.hpp>
#include <weightscope/scorers/nm_kernel.hpp>
#include <weightscope/scorers/nm_mask.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::string to_string(const nm_options& options) { return fmt::format("keep={},of={}", options.keep, options.of); }

WEIGHTSCOPE_INLINE nm_options parse_nm(std::string_view text)
{
    const auto number_after = [&](std::string_view& rest, std::string_view word) -> std::size_t {
        require(rest.starts_with(word), "parse_nm(text): '{}' is no pattern, expected keep=2,of=4 or prune=2,of=4", printable(text));
        rest.remove_prefix(word.size());
        std::size_t value = 0, digits = 0;
        for (; digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9' && digits < 6; ++digits)
            value = 10 * value + static_cast<std::size_t>(rest[digits] - '0');
        require(digits > 0, "parse_nm(text): '{}' is no pattern, expected keep=2,of=4 or prune=2,of=4", printable(text));
        rest.remove_prefix(digits);
        return value;
    };
    std::string_view rest = text;
    const bool bare = !text.empty() && text[0] >= '0' && text[0] <= '9', prune = text.starts_with("prune=");
    const std::size_t first = number_after(rest, bare ? "" : prune ? "prune=" : "keep="), of = number_after(rest, bare ? ":" : ",of=");
    require(rest.empty(), "parse_nm(text): '{}' is no pattern, expected keep=2,of=4 or prune=2,of=4", printable(text));
    require(!bare || 2 * first == of, "parse_nm(text): '{}' keeps {} of {} to some and removes as many to others; write keep={},of={} or prune={},of={}",
            printable(text), first, of, first, of, first, of);
    require(first > 0 && first < of, "parse_nm(text): '{}' keeps nothing or all of a block, expected a part of it", printable(text));
    return {.keep = prune ? of - first : first, .of = of};
}

WEIGHTSCOPE_INLINE mask_result select_nm_mask(std::span<const double> scores, std::size_t rows, const nm_options& options,
                                              matrix_orientation orientation)
{
    require(options.keep > 0 && options.keep < options.of, "select_nm_mask(scores, rows, options): keep is {} of {}, expected 1 to {}",
            options.keep, options.of, options.of > 0 ? options.of - 1 : 0);
    require(rows > 0 ? scores.size() % rows == 0 : scores.empty(), "select_nm_mask(scores, rows): {} scores are no {} rows", scores.size(), rows);
    const bool turned = orientation == matrix_orientation::in_out;
    const std::size_t cols = rows > 0 ? scores.size() / rows : 0, size = turned ? rows : cols, tail = size % options.of;
    require(tail == 0 || options.tail != tail_policy::refuse,
            "select_nm_mask(scores, rows, options): rows of {} weights are no whole blocks of {}; choose tail_policy::share or keep", size, options.of);
    const std::size_t removed = options.of - options.keep;
    const std::size_t tail_removed = options.tail == tail_policy::share ? tail * removed / options.of : 0;
    mask_result result{.convention = to_string(options), .target_ratio = detail::share_of(removed, options.of)};
    const auto choose_blocks = [&](std::span<const double> row, detail::choice_work& work, std::span<std::uint64_t> bits) {
        constexpr std::size_t few = 16;
        detail::group_choice sum;
        std::fill(bits.begin(), bits.end(), std::uint64_t{0});
        std::vector<std::uint64_t> block_bits((options.of + 63) / 64);
        for (std::size_t at = 0; at < row.size(); at += options.of) {
            const std::span<const double> block = row.subspan(at, std::min(options.of, row.size() - at));
            const std::size_t count = block.size() == options.of ? removed : tail_removed;
            if (block.size() <= few)
                block_bits[0] = detail::choose_lowest_of_few(block, count, sum);
            else
                sum += detail::choose_lowest(block, count, work, std::span(block_bits).first((block.size() + 63) / 64));
            for (std::size_t i = 0; i < block.size(); ++i)
                bits[(at + i) / 64] |= (block_bits[i / 64] >> (i % 64) & 1) << ((at + i) % 64);
        }
        return sum;
    };
    if (!turned && tail == 0 && (options.of == 4 || options.of == 8)) {
        result.mask = weight_mask(scores.size());
        detail::take_choice(options.of == 4 ? detail::choose_in_blocks<4>(scores, removed, result.mask)
                                            : detail::choose_in_blocks<8>(scores, removed, result.mask),
                            result);
    } else {
        detail::choose_in_rows(scores, rows, turned, choose_blocks, result);
    }
    return result;
}

}  // namespace weightscope
