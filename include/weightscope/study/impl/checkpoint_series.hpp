#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/analyzers/compare_weights.hpp>
#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/largest_singular_value.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/change_rules.hpp>
#include <weightscope/report/comparison_figures.hpp>
#include <weightscope/report/layer_change.hpp>
#include <weightscope/report/series_result.hpp>
#include <weightscope/study/checkpoint_series.hpp>
#include <weightscope/study/layer_relation.hpp>
#include <weightscope/study/scan_tensor.hpp>

namespace weightscope {

namespace detail {

inline void measure_state(const weight_source& elements, std::size_t rows, bool spectral, series_layer& layer)
{
    const element_survey survey = survey_source(elements, {});
    const auto n = static_cast<double>(survey.census.finite_count());
    layer.non_finite_count = survey.census.count - survey.census.finite_count();
    const auto none = metric::missing(survey.census.count ? "no finite entries" : "no entries");
    layer.l2_norm = n > 0 ? metric(std::sqrt(survey.sum_squares())) : none;
    layer.std = n > 1 ? metric(std::sqrt(survey.moments.m2 / (n - 1))) : n > 0 ? metric::missing("one entry") : none;
    layer.abs_max = n > 0 ? metric(survey.max_magnitude()) : none;
    layer.max_singular_value = layer.stable_rank = metric::missing(rows == 0 ? "no matrix" : "not asked for");
    if (!spectral || rows == 0)
        return;
    if (layer.non_finite_count > 0) {
        layer.max_singular_value = layer.stable_rank = metric::missing("entries that are not finite");
        return;
    }
    const largest_singular_value_result largest = largest_singular_value(matrix_of(elements, rows), survey.max_magnitude(), {.tolerance = 1e-5});
    layer.max_singular_value = largest.value;
    layer.stable_rank = largest.stable_rank;
}

inline layer_change change_between(const series_layer& before, const series_layer& after, const compare_weights_result& w)
{
    layer_change c{.name = after.name, .removed = 0.0};
    c.l2_norm_ratio = w.l2_norm_ratio;
    c.spectral_norm_ratio = ratio(after.max_singular_value, before.max_singular_value);
    c.stable_rank_ratio = ratio(after.stable_rank, before.stable_rank);
    c.relative_l2_distance = w.relative_l2_distance;
    if (w.changed_percentage.exists())
        c.unchanged_percentage = 100 - w.changed_percentage.value;
    c.appeared_count = static_cast<double>(w.appeared_count);
    return c;
}

}  // namespace detail

WEIGHTSCOPE_INLINE const series_checkpoint& checkpoint_series::add(const model& m, const progress_callback& progress)
{
    const auto start = std::chrono::steady_clock::now();
    std::vector<named_tensor> tensors =
        detail::chosen_tensors(m, {.include = options_.include, .exclude = options_.exclude, .restrict_to = options_.restrict_to});
    std::erase_if(tensors, [](const named_tensor& t) { return !t.part_of.empty() || !is_numeric(t.dtype) || !t.tied_to.empty(); });
    series_checkpoint checkpoint{.path = m.path.string()};
    checkpoint.name = (m.path.has_filename() ? m.path : m.path.parent_path()).filename().string();
    checkpoint.layers.resize(tensors.size());
    std::vector<std::optional<compare_weights_result>> compared(tensors.size());
    std::vector<std::optional<std::size_t>> before(tensors.size());
    double cost = 0;
    for (const named_tensor& t : tensors)
        cost += static_cast<double>(t.size()) + 1;
    progress_reporter reporter(progress, tensors.size(), cost);
    with_threads(options_.threads, [&] {
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            const named_tensor& t = tensors[i];
            reporter.begun(t.name);
            const auto found = places_.find(t.name);
            if (found != places_.end() && previous_[found->second].size() == t.size())
                before[i] = found->second;
            measure(t, before[i] ? &previous_[*before[i]] : nullptr, checkpoint.layers[i], compared[i]);
            reporter.finished(t.name, static_cast<double>(t.size()) + 1);
        }
    });
    judge(checkpoint, compared, before);
    previous_ = std::move(tensors);
    places_.clear();
    for (std::size_t i = 0; i < previous_.size(); ++i)
        places_.emplace(previous_[i].name, i);
    checkpoint.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    result_.checkpoints.push_back(std::move(checkpoint));
    return result_.checkpoints.back();
}

WEIGHTSCOPE_INLINE void checkpoint_series::measure(const named_tensor& t, const named_tensor* before, series_layer& layer,
                                                   std::optional<compare_weights_result>& compared) const
{
    layer.name = t.name;
    layer.shape = t.shape;
    layer.dtype = t.storage();
    layer.parameters = t.size();
    layer.relative_l2_distance = layer.cosine_similarity = layer.changed_percentage = metric::missing("no checkpoint before");
    try {
        detail::use_values(t, [&](const detail::weight_source& now, double unit) {
            detail::measure_state(now, t.shape.size() >= 2 ? t.shape[0] : 0, options_.spectral, layer);
            if (!before)
                return;
            detail::use_values(*before, [&](const detail::weight_source& then, double unit_before) {
                compared = detail::compare_sources(then, now, 0, false, {unit_before, unit}, {.spectrum = false, .subspace_count = 0});
            });
        });
        if (compared) {
            layer.relative_l2_distance = compared->relative_l2_distance;
            layer.cosine_similarity = compared->cosine_similarity;
            layer.changed_percentage = compared->changed_percentage;
        }
    } catch (const std::exception& error) {
        layer.error = error.what();
        compared.reset();
    }
}

WEIGHTSCOPE_INLINE void checkpoint_series::judge(series_checkpoint& checkpoint,
                                                 const std::vector<std::optional<compare_weights_result>>& compared,
                                                 const std::vector<std::optional<std::size_t>>& before) const
{
    checkpoint.relative_l2_distance = metric::missing("no checkpoint before");
    if (result_.checkpoints.empty())
        return;
    const std::vector<series_layer>& last = result_.checkpoints.back().layers;
    std::vector<layer_change> changes;
    std::vector<bool> kept(last.size());
    double distance = 0, norm = 0;
    for (std::size_t i = 0; i < compared.size(); ++i) {
        if (!before[i])
            continue;
        kept[*before[i]] = true;
        if (!compared[i])
            continue;
        changes.push_back(detail::change_between(last[*before[i]], checkpoint.layers[i], *compared[i]));
        const metric &d = compared[i]->l2_distance, &size = last[*before[i]].l2_norm;
        distance += d.exists() ? d.value * d.value : 0;
        norm += size.exists() ? size.value * size.value : 0;
    }
    for (std::size_t i = 0; i < last.size(); ++i)
        if (!kept[i])
            changes.push_back({.name = last[i].name, .removed = 1.0});
    checkpoint.relative_l2_distance = norm > 0 ? metric(std::sqrt(distance / norm)) : metric::missing("nothing in common");
    changes.push_back({.relative_l2_distance = checkpoint.relative_l2_distance});
    checkpoint.findings = judge_changes(changes, options_.rules);
}

}  // namespace weightscope
