#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/scorers/score_order.hpp>
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
[[nodiscard]] inline std::size_t removed_count_for(double ratio, std::size_t size, count_rounding rounding = count_rounding::at_least)
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

// Removes `count` of the scores, or as many as there are without NaN.
inline void remove_lowest(std::span<const double> scores, std::size_t count, mask_result& result)
{
    const std::size_t scored = scored_count(scores);
    result.unscored_count += scores.size() - scored;
    count = std::min(count, scored);
    result.mask = weight_mask(scores.size());
    if (count == 0)
        return;
    const score_cut cut = find_cut(scores, count);
    std::size_t ties_left = cut.tied_removed;
    result.removed_count = remove_below(scores, cut, ties_left, result.mask);
    result.tied_count = cut.tied_removed < cut.tied ? cut.tied : 0;
    result.threshold = score_of_key(cut.key);
}

inline double share_of(std::size_t part, std::size_t whole) { return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0; }

// What a group of scores gave.
struct group_choice
{
    std::size_t removed = 0, tied = 0, unscored = 0;
    double threshold = -std::numeric_limits<double>::infinity();

    group_choice& operator+=(const group_choice& other)
    {
        removed += other.removed;
        tied += other.tied;
        unscored += other.unscored;
        threshold = std::max(threshold, other.threshold);
        return *this;
    }
};

// Marks the lowest `count` of a group's keys with 1, of equal ones the first; `work` is memory to sort in.
inline group_choice choose_lowest(std::span<const std::uint64_t> keys, std::size_t count, std::vector<std::uint64_t>& work, std::span<std::uint8_t> marks)
{
    constexpr std::uint64_t not_scored = ~std::uint64_t{0};
    group_choice choice;
    choice.unscored = static_cast<std::size_t>(std::count(keys.begin(), keys.end(), not_scored));
    choice.removed = std::min(count, keys.size() - choice.unscored);
    std::fill(marks.begin(), marks.end(), std::uint8_t{0});
    if (choice.removed == 0)
        return choice;
    work.assign(keys.begin(), keys.end());
    std::nth_element(work.begin(), work.begin() + static_cast<std::ptrdiff_t>(choice.removed - 1), work.end());
    const std::uint64_t cut = work[choice.removed - 1];
    std::size_t below = 0, tied = 0;
    for (const std::uint64_t key : keys) {
        below += key < cut ? 1 : 0;
        tied += key == cut ? 1 : 0;
    }
    std::size_t ties_left = choice.removed - below;
    choice.tied = ties_left < tied ? tied : 0;
    choice.threshold = score_of_key(cut);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const bool first_of_tied = keys[i] == cut && ties_left > 0;
        ties_left -= first_of_tied ? 1 : 0;
        marks[i] = keys[i] < cut || first_of_tied ? 1 : 0;
    }
    return choice;
}

// The same where there are few keys, without sorting: each is compared with all.
inline group_choice choose_lowest_of_few(std::span<const std::uint64_t> keys, std::size_t count, std::span<std::uint8_t> marks)
{
    group_choice choice;
    for (const std::uint64_t key : keys)
        choice.unscored += key == ~std::uint64_t{0} ? 1 : 0;
    choice.removed = std::min(count, keys.size() - choice.unscored);
    std::uint64_t cut = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        std::size_t before = 0;
        for (std::size_t j = 0; j < keys.size(); ++j)
            before += keys[j] < keys[i] || (keys[j] == keys[i] && j < i) ? 1 : 0;
        marks[i] = before < choice.removed ? 1 : 0;
        cut = marks[i] != 0 ? std::max(cut, keys[i]) : cut;
    }
    if (choice.removed == 0)
        return choice;
    std::size_t tied = 0, tied_removed = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        tied += keys[i] == cut ? 1 : 0;
        tied_removed += keys[i] == cut ? marks[i] : std::size_t{0};
    }
    choice.tied = tied_removed < tied ? tied : 0;
    choice.threshold = score_of_key(cut);
    return choice;
}

inline weight_mask mask_of(std::span<const std::uint8_t> marks)
{
    weight_mask mask(marks.size());
    const std::size_t words = mask.words().size(), at_once = chunk_elements / 64;
    parallel_for((words + at_once - 1) / at_once, [&](std::size_t part) {
        for (std::size_t word = part * at_once; word < std::min(words, (part + 1) * at_once); ++word) {
            std::uint64_t bits = 0;
            for (std::size_t i = 64 * word; i < std::min(marks.size(), 64 * word + 64); ++i)
                bits |= std::uint64_t{marks[i]} << (i % 64);
            mask.remove_word(word, bits);
        }
    });
    return mask;
}

// Goes through groups of scores: group g has the elements first(g) + i · stride, i below `size`. choose(keys, work, marks) marks them.
template <class First, class Choose>
void choose_in_groups(std::span<const double> scores, std::size_t groups, std::size_t size, std::size_t stride, const First& first,
                      const Choose& choose, mask_result& result)
{
    std::vector<std::uint8_t> marks(scores.size());
    const std::size_t at_once = std::max<std::size_t>(chunk_elements / std::max<std::size_t>(size, 1), 1);
    const auto partials = map_chunks(groups, at_once, [&](std::size_t begin, std::size_t end) {
        std::vector<std::uint64_t> keys(size), work;
        std::vector<std::uint8_t> group_marks(size);
        group_choice sum;
        for (std::size_t g = begin; g < end; ++g) {
            const std::size_t at = first(g);
            for (std::size_t i = 0; i < size; ++i)
                keys[i] = score_key(scores[at + i * stride]);
            sum += choose(std::span<const std::uint64_t>(keys), work, std::span<std::uint8_t>(group_marks));
            for (std::size_t i = 0; i < size; ++i)
                marks[at + i * stride] = group_marks[i];
        }
        return sum;
    });
    group_choice total;
    for (const group_choice& choice : partials)
        total += choice;
    result.mask = mask_of(marks);
    result.removed_count = total.removed;
    result.tied_count = total.tied;
    result.unscored_count = total.unscored;
    if (total.removed > 0)
        result.threshold = total.threshold;
    result.actual_ratio = share_of(total.removed, scores.size());
}

}  // namespace detail

/// Removes the weights with the lowest scores of a tensor.
///
/// @param scores   [size], as of importance_result; NaN: the weight is kept
/// @param options  see mask_options
/// @return         see mask_result; exactly as many as the ratio means, of equal scores those with the lowest index
/// @throws std::invalid_argument  the ratio is not in [0, 1]
/// @note           sorts only what begins with the same 16 bits as the last one removed; three passes as a rule
[[nodiscard]] inline mask_result select_tensor_mask(std::span<const double> scores, const mask_options& options = {})
{
    mask_result result{.convention = "tensor", .target_ratio = options.ratio};
    detail::remove_lowest(scores, removed_count_for(options.ratio, scores.size(), options.rounding), result);
    result.actual_ratio = detail::share_of(result.removed_count, scores.size());
    return result;
}

/// Removes the weights with the lowest scores of each row: as many in every one.
///
/// @param scores       [rows, cols] row-major; NaN: the weight is kept
/// @param rows         extent of the first dimension
/// @param options      see mask_options; count_rounding::truncated gives Wanda's masks
/// @param orientation  in_out: the tensor is [in, out], and its columns are what a row is otherwise
/// @return             see mask_result; threshold is the largest of all rows, tied_count the sum over the rows
/// @throws std::invalid_argument  the ratio is not in [0, 1], or the scores are no rows
/// @note               the outcome is that of a stable sort of each row; memory: one byte for each weight
[[nodiscard]] inline mask_result select_row_mask(std::span<const double> scores, std::size_t rows, const mask_options& options = {},
                                                 matrix_orientation orientation = matrix_orientation::out_in)
{
    require(rows > 0 ? scores.size() % rows == 0 : scores.empty(), "select_row_mask(scores, rows): {} scores are no {} rows", scores.size(), rows);
    mask_result result{.convention = "row", .target_ratio = options.ratio};
    const std::size_t cols = rows > 0 ? scores.size() / rows : 0;
    const bool turned = orientation == matrix_orientation::in_out;
    const std::size_t groups = turned ? cols : rows, size = turned ? rows : cols;
    const std::size_t count = removed_count_for(options.ratio, size, options.rounding);
    detail::choose_in_groups(
        scores, groups, size, turned ? cols : 1, [&](std::size_t g) { return turned ? g : g * cols; },
        [count](std::span<const std::uint64_t> keys, std::vector<std::uint64_t>& work, std::span<std::uint8_t> marks) {
            return detail::choose_lowest(keys, count, work, marks);
        },
        result);
    return result;
}

}  // namespace weightscope
