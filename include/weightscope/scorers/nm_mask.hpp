#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/scorers/mask.hpp>

namespace weightscope {

/// What becomes of the last columns of a row where they are fewer than a block.
enum class tail_policy
{
    refuse,  ///< rows must be whole blocks
    share,   ///< of r columns floor(r · removed / of) go
    keep,    ///< they stay
};

/// A pattern of blocks: of `of` neighbours along a row `keep` stay.
struct nm_options
{
    std::size_t keep = 2;
    std::size_t of = 4;
    tail_policy tail = tail_policy::refuse;
};

/// The words for a pattern, which cannot be taken for its opposite: "keep=2,of=4".
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_string(const nm_options& options);

/// Reads "keep=2,of=4", "prune=1,of=4", and "2:4" where it means the same to those who count what stays and those who count what goes.
///
/// @throws std::invalid_argument  the text is none of these, or the pattern keeps nothing or all
[[nodiscard]] WEIGHTSCOPE_INLINE nm_options parse_nm(std::string_view text);

/// Keeps the `keep` highest scores of every `of` neighbours along a row: semi-structured sparsity.
///
///     select_nm_mask(scores, rows, {.keep = 2, .of = 4})
///
/// Beware of "N:M": NVIDIA and PyTorch count what is kept, the code of Wanda and SparseGPT what is removed.
///
/// @param scores       [rows, cols] row-major; NaN: the weight is kept
/// @param rows         extent of the first dimension
/// @param options      see nm_options
/// @param orientation  in_out: the tensor is [in, out], and blocks run along its columns
/// @return             see mask_result; target_ratio is (of - keep) / of, of equal scores those with the lowest index go. A block with
///                     many NaN may keep more than `keep`.
/// @throws std::invalid_argument  keep is 0 or not below of, the scores are no rows, or these are no whole blocks and tail is refuse
[[nodiscard]] WEIGHTSCOPE_INLINE mask_result select_nm_mask(std::span<const double> scores, std::size_t rows, const nm_options& options = {},
                                                            matrix_orientation orientation = matrix_orientation::out_in);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/nm_mask.hpp>
#endif
