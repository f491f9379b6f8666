#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/scorers/group_choice.hpp>
#include <weightscope/scorers/tensor_selection.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope {

/// How many of n weights a ratio means.
enum class count_rounding
{
    at_least,   ///< the least number whose share is not below the ratio
    truncated,  ///< int(n · ratio) in double, as Wanda's code has it: 28 of 100 for 0.29
};

struct mask_options
{
    double ratio = 0.5;  ///< of weights to remove, [0, 1]
    count_rounding rounding = count_rounding::at_least;
};

/// Which weights go, and how far the choice was a choice.
struct mask_result
{
    weight_mask mask = {};
    std::string convention = {};     ///< "tensor", "row", "global", "keep=2,of=4"
    double target_ratio = 0;
    double actual_ratio = 0;         ///< removed_count / size; below the target only where too many weights have no score
    std::size_t removed_count = 0;
    std::size_t tied_count = 0;      ///< weights whose score is equal to the last removed one's where only some of them went, lowest index first
    std::size_t unscored_count = 0;  ///< weights whose score is NaN, which are kept
    metric threshold = metric::missing("nothing is removed");  ///< largest score removed
};

/// How many of `size` weights a ratio means.
///
/// @throws std::invalid_argument  ratio is not in [0, 1]
[[nodiscard]] WEIGHTSCOPE_INLINE std::size_t removed_count_for(double ratio, std::size_t size, count_rounding rounding = count_rounding::at_least);

namespace detail {

inline double share_of(std::size_t part, std::size_t whole) { return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0; }

// Tells a mask what its scores gave.
WEIGHTSCOPE_INLINE void take_choice(const group_choice& choice, mask_result& result);

// Removes `count` of the scores, or as many as there are without NaN.
WEIGHTSCOPE_INLINE void remove_lowest(std::span<const double> scores, std::size_t count, mask_result& result);

// Goes through the rows of a matrix, or where it is turned through its columns: choose(scores, work, bits) sets the bits of each.
template <class Choose>
void choose_in_rows(std::span<const double> scores, std::size_t rows, bool turned, const Choose& choose, mask_result& result)
{
    result.mask = weight_mask(scores.size());
    const std::size_t cols = rows > 0 ? scores.size() / rows : 0, size = turned ? rows : cols, groups = turned ? cols : rows;
    // 64 rows end where a word of the mask does; eight columns lie together
    const std::size_t together = turned ? 8 : 64 / std::gcd<std::size_t, std::size_t>(size > 0 ? size : 64, 64);
    const std::size_t at_once = (chunk_elements / std::max<std::size_t>(size, 1) + together) / together * together;
    std::vector<std::uint8_t> marks(turned ? scores.size() : 0);
    const auto partials = map_chunks(groups, at_once, [&](std::size_t begin, std::size_t end) {
        std::vector<double> columns(turned ? together * size : 0);
        std::vector<std::uint64_t> bits((size + 63) / 64);
        choice_work work;
        group_choice sum;
        for (std::size_t g = begin; g < end; ++g) {
            std::span<const double> group;
            if (turned) {
                const std::size_t first = (g - begin) % together, count = std::min(together, end - g);
                if (first == 0)
                    for (std::size_t i = 0; i < size; ++i)
                        for (std::size_t c = 0; c < count; ++c)
                            columns[c * size + i] = scores[i * cols + g + c];
                group = std::span<const double>(columns).subspan(first * size, size);
            } else {
                group = scores.subspan(g * size, size);
            }
            sum += choose(group, work, std::span<std::uint64_t>(bits));
            if (turned)
                for (std::size_t i = 0; i < size; ++i)
                    marks[i * cols + g] = bits[i / 64] >> (i % 64) & 1;
            else
                remove_bits(result.mask, g * size, bits);
        }
        return sum;
    });
    group_choice total;
    for (const group_choice& choice : partials)
        total += choice;
    if (turned)
        remove_marked(marks, result.mask);
    take_choice(total, result);
}

}  // namespace detail

/// Removes the weights with the lowest scores of a tensor.
///
/// @param scores   [size], as of importance_result; NaN: the weight is kept
/// @param options  see mask_options
/// @return         see mask_result; exactly as many as the ratio means, of equal scores those with the lowest index
/// @throws std::invalid_argument  the ratio is not in [0, 1]
/// @note           one pass as a rule: a sample says where the last one lies, and only what is near it is collected; two where scores are
///                 much alike. The outcome does not depend on the sample.
[[nodiscard]] WEIGHTSCOPE_INLINE mask_result select_tensor_mask(std::span<const double> scores, const mask_options& options = {});

/// Removes the weights with the lowest scores of each row: as many in every one.
///
/// @param scores       [rows, cols] row-major; NaN: the weight is kept
/// @param rows         extent of the first dimension
/// @param options      see mask_options; count_rounding::truncated gives Wanda's masks
/// @param orientation  in_out: the tensor is [in, out], and its columns are what a row is otherwise
/// @return             see mask_result; threshold is the largest of all rows, tied_count the sum over the rows
/// @throws std::invalid_argument  the ratio is not in [0, 1], or the scores are no rows
/// @note               the outcome is that of a stable sort of each row; memory: one byte for each weight
[[nodiscard]] WEIGHTSCOPE_INLINE mask_result select_row_mask(std::span<const double> scores, std::size_t rows, const mask_options& options = {},
                                                             matrix_orientation orientation = matrix_orientation::out_in);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/mask.hpp>
#endif
