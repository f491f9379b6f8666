#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/core/require.hpp>

namespace weightscope {

/// Token numbers [rows, length]: one row per sequence, filled up at its end with -1.
struct token_rows
{
    std::vector<std::int32_t> tokens = {};
    std::size_t rows = 0;
    std::size_t length = 0;
};

/// Cuts a text into rows of `length` tokens; the last one is filled up.
///
/// @param length  tokens of a row, at least 2, so that there is one to predict
/// @throws std::invalid_argument  length is below 2, or there are no tokens
[[nodiscard]] inline token_rows cut_tokens(std::span<const std::int32_t> tokens, std::size_t length)
{
    require(length >= 2, "cut_tokens(tokens, length): length is {}, expected 2 or more", length);
    require(!tokens.empty(), "cut_tokens(tokens, length): there are no tokens");
    token_rows result{.tokens = {tokens.begin(), tokens.end()}, .rows = (tokens.size() + length - 1) / length, .length = length};
    result.tokens.resize(result.rows * length, -1);
    return result;
}

}  // namespace weightscope
