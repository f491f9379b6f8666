#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/token_rows.hpp>

namespace weightscope {

struct detect_repeated_rows_options
{
    std::size_t overlap = 32;  ///< tokens in a row that two rows may not have in common; 0: only whole rows are compared
};

/// What rows of tokens have in common. Texts that come twice count twice in every mean, and say nothing new.
struct repeated_rows_result
{
    std::size_t rows = 0;
    std::size_t tokens = 0;                             ///< without padding
    std::vector<std::size_t> repeated_rows = {};        ///< equal to an earlier row
    std::vector<std::size_t> overlapping_rows = {};     ///< others that have `overlap` tokens in a row in common with an earlier row
    std::string fingerprint = {};                       ///< of all tokens and where rows end: 16 hexadecimal digits
};

struct select_calibration_options
{
    std::size_t samples = 128;  ///< rows to draw; all different ones where there are fewer
    std::uint64_t seed = 0;
    std::size_t overlap = 32;   ///< see detect_repeated_rows_options
};

/// Different rows drawn at random.
struct calibration_result
{
    token_rows rows = {};                   ///< in the order of the text they are from
    std::vector<std::size_t> chosen = {};   ///< their numbers among the rows given
    std::size_t repeated_count = 0;         ///< rows given that were left out because they are equal to an earlier one
    std::size_t overlapping_count = 0;      ///< of the chosen rows: share `overlap` tokens in a row with another chosen one
    std::size_t tokens = 0;                 ///< in the chosen rows, without padding
    std::uint64_t seed = 0;
    std::string fingerprint = {};           ///< of the chosen rows
};

namespace detail {

// A row without its padding.
WEIGHTSCOPE_INLINE std::span<const std::int32_t> row_of(const token_rows& rows, std::size_t row);

// Rows that have `length` tokens in a row in common with an earlier one. A rolling hash finds candidates, the tokens decide.
WEIGHTSCOPE_INLINE std::vector<std::size_t> overlapping_rows(const token_rows& rows, const std::vector<std::size_t>& among, std::size_t length);

}  // namespace detail

/// Looks for rows of tokens that come twice, whole or in part.
///
/// @throws std::invalid_argument  there are not rows · length tokens
/// @note   memory: the tokens once more, and 24 bytes for each
[[nodiscard]] WEIGHTSCOPE_INLINE repeated_rows_result detect_repeated_rows(const token_rows& rows, const detect_repeated_rows_options& options = {});

/// Draws rows to calibrate with, none of them twice, however often it stands there.
///
/// @param rows     of tokens, see read_tokens() and cut_tokens()
/// @param options  see select_calibration_options
/// @return         see calibration_result
/// @throws std::invalid_argument  there are not rows · length tokens, no rows, or options.samples is 0
[[nodiscard]] WEIGHTSCOPE_INLINE calibration_result select_calibration(const token_rows& rows, const select_calibration_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/calibration.hpp>
#endif
