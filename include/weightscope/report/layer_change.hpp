#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope {

/// What became of one layer, or of a whole model, from one state to the next. Figures that are not known are missing and not judged.
struct layer_change
{
    std::string name = {};                ///< empty: the whole model
    metric l2_norm_ratio = {};            ///< after / before
    metric spectral_norm_ratio = {};      ///< after / before, of matrices
    metric stable_rank_ratio = {};        ///< after / before, of matrices
    metric condition_number_ratio = {};   ///< after / before, of matrices
    metric relative_l2_distance = {};     ///< ‖after - before‖ / ‖before‖
    metric unchanged_percentage = {};     ///< weights that are what they were, 0 to 100
    metric appeared_count = {};           ///< weights that are NaN or infinite and were finite
    metric cosine_similarity = {};        ///< of matrices, weighted by parameters; of whole models
    metric removed = {};                  ///< 1 where the layer is gone or has another size, 0 where not
};

/// One line of a table of rules about changes; as `rule`, but for a layer_change.
struct change_rule
{
    std::string id = {};
    std::string label = {};  ///< what the number is, for people
    std::string metric_name = {};
    std::function<metric(const layer_change&)> value = {};
    comparison compare = comparison::above;
    std::optional<double> info = {};
    std::optional<double> warning = {};
    std::optional<double> critical = {};
    std::string unit = {};
    std::string meaning = {};
    std::string remedy = {};
    bool whole_model = false;                ///< judges the change of the whole model, and no layer
    std::string explained_by = {};           ///< rule: where it fires on the same layer this one is not told

    [[nodiscard]] const std::optional<double>& limit(severity level) const;
};

namespace detail {

WEIGHTSCOPE_INLINE std::optional<finding> finding_of(const change_rule& r, const layer_change& change);

}  // namespace detail

/// Every rule put to every change: what is found, critical first, then warning, then info; within one in the order of `changes`.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<finding> judge_changes(std::span<const layer_change> changes, std::span<const change_rule> rules);

/// The table `rules` with one limit changed; std::nullopt removes it.
/// @throws std::invalid_argument  no rule has that id; the message lists those that there are
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<change_rule> override_threshold(std::vector<change_rule> rules, std::string_view id, severity level,
                                                                             std::optional<double> limit);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/layer_change.hpp>
#endif
