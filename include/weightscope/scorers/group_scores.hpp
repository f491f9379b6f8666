#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/scorers/group_family.hpp>

namespace weightscope {

/// How the scores of its weights become that of a group.
enum class group_reduction
{
    sum,
    average,
    largest,
    vectorised,  ///< |Σ|: signed terms may cancel, as they do when the group goes as a whole
};

[[nodiscard]] constexpr std::string_view to_string(group_reduction reduction)
{
    constexpr std::string_view names[] = {"sum", "average", "largest", "vectorised"};
    return names[static_cast<std::size_t>(reduction)];
}

struct group_scores_options
{
    group_reduction reduction = group_reduction::sum;
    bool per_parameter = true;  ///< score = importance / parameters, the density that a budget asks for; else score = importance
};

/// How much each group matters.
struct group_scores_result
{
    std::vector<double> importance = {};  ///< [groups] in the order of grouped_model::places(); NaN where the group could not be scored
    std::vector<double> scores = {};      ///< [groups] what groups are ordered by: the lower, the sooner it goes
    std::string method = {};              ///< "taylor"
    std::string formula = {};             ///< "Σ |w g|"
    group_reduction reduction = group_reduction::sum;
    bool per_parameter = true;
    bool predicts_change = false;         ///< importance is a change of the mean loss
    std::size_t unscored_count = 0;       ///< groups whose importance is NaN; they are never removed
    std::vector<double> standard_errors = {};  ///< [groups] of importance, over batches; NaN where it is not known, empty where none is
};

/// Scores of the weights of a tensor, row-major; empty where the method has none for it (Wanda for biases): then the tensor adds nothing.
using tensor_scorer = std::function<std::vector<double>(std::size_t tensor)>;

namespace detail {

// A slice of a family, seen from its tensor.
struct slice_place
{
    std::size_t family = 0, slice = 0;
};

WEIGHTSCOPE_INLINE std::vector<std::vector<slice_place>> slices_by_tensor(const grouped_model& groups);

// Where the groups of each family begin in the order of places().
WEIGHTSCOPE_INLINE std::vector<std::size_t> first_groups(const grouped_model& groups);

// Divides by the costs, where that is asked for, and counts what has no score.
WEIGHTSCOPE_INLINE void finish_group_scores(const grouped_model& groups, group_scores_result& result);

}  // namespace detail

/// Scores of groups from scores of their weights.
///
///     importance = Σ s_i, mean s_i, max s_i or |Σ s_i| over the weights i of the group;   score = importance / parameters
///
/// @param groups    see transformer_groups()
/// @param scorer    called once for each tensor that groups have weights in; for group_reduction::vectorised it gives signed terms (w g)
/// @param options   see group_scores_options
/// @param progress  called for each tensor; can cancel
/// @return          see group_scores_result; method and formula are for the caller to fill in. The same for any number of threads
/// @throws std::invalid_argument  a tensor has not one score for each of its weights
/// @note            scores of one tensor are in memory at a time. A group with a NaN score is NaN: it is not known what goes with it.
///                  Sums of |w g| overestimate groups whose terms cancel; of the four, only `vectorised` is first-order in the whole group.
[[nodiscard]] WEIGHTSCOPE_INLINE group_scores_result score_groups(const grouped_model& groups, const tensor_scorer& scorer,
                                                                  const group_scores_options& options = {}, const progress_callback& progress = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/group_scores.hpp>
#endif
