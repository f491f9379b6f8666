#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/scorers/group_choice.hpp>
#include <weightscope/scorers/mask.hpp>
#include <weightscope/scorers/tensor_selection.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::size_t removed_count_for(double ratio, std::size_t size, count_rounding rounding)
{
    require(ratio >= 0 && ratio <= 1, "removed_count_for(ratio, size): ratio is {}, expected 0 to 1", ratio);
    const double exact = ratio * static_cast<double>(size);
    if (rounding == count_rounding::truncated)
        return static_cast<std::size_t>(exact);
    // 0.07 · 100 is above 7 and 0.29 · 100 below 29, only because decimal fractions are rounded
    const double nearest = std::nearbyint(exact), distance = std::fabs(exact - nearest);
    const double count = distance <= 4 * std::numeric_limits<double>::epsilon() * exact ? nearest : std::ceil(exact);
    return std::min(static_cast<std::size_t>(count), size);
}

namespace detail {

WEIGHTSCOPE_INLINE void take_choice(const group_choice& choice, mask_result& result)
{
    result.removed_count = choice.removed;
    result.tied_count = choice.tied;
    result.unscored_count = choice.unscored;
    if (choice.removed > 0)
        result.threshold = choice.threshold;
    result.actual_ratio = share_of(choice.removed, result.mask.size());
}

WEIGHTSCOPE_INLINE void remove_lowest(std::span<const double> scores, std::size_t count, mask_result& result)
{
    result.mask = weight_mask(scores.size());
    take_choice(remove_lowest(scores, count, result.mask), result);
}

}  // namespace detail

WEIGHTSCOPE_INLINE mask_result select_tensor_mask(std::span<const double> scores, const mask_options& options)
{
    mask_result result{.convention = "tensor", .target_ratio = options.ratio};
    detail::remove_lowest(scores, removed_count_for(options.ratio, scores.size(), options.rounding), result);
    return result;
}

WEIGHTSCOPE_INLINE mask_result select_row_mask(std::span<const double> scores, std::size_t rows, const mask_options& options,
                                               matrix_orientation orientation)
{
    require(rows > 0 ? scores.size() % rows == 0 : scores.empty(), "select_row_mask(scores, rows): {} scores are no {} rows", scores.size(), rows);
    mask_result result{.convention = "row", .target_ratio = options.ratio};
    const std::size_t cols = rows > 0 ? scores.size() / rows : 0;
    const bool turned = orientation == matrix_orientation::in_out;
    const std::size_t count = removed_count_for(options.ratio, turned ? rows : cols, options.rounding);
    detail::choose_in_rows(
        scores, rows, turned,
        [count](std::span<const double> row, detail::choice_work& work, std::span<std::uint64_t> bits) {
            return detail::choose_lowest(row, count, work, bits);
        },
        result);
    return result;
}

}  // namespace weightscope
