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
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/change_rules.hpp>
#include <weightscope/report/comparison_figures.hpp>
#include <weightscope/report/layer_change.hpp>
#include <weightscope/report/series_result.hpp>
#include <weightscope/study/layer_relation.hpp>
#include <weightscope/study/scan_tensor.hpp>

namespace weightscope {

struct series_options
{
    bool spectral = true;                       ///< largest singular value and stable rank of matrices
    std::vector<change_rule> rules = series_rules();
    std::vector<std::string> include = {};      ///< as in scan_options
    std::vector<std::string> exclude = {};
    std::vector<std::string> restrict_to = {};
    std::size_t threads = 0;                    ///< 0: one per core
};

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

/// Follows a model through its training, one checkpoint after the other. Of what went before only the last checkpoint is kept, as a map
/// of its file.
///
///     checkpoint_series series;
///     for (const auto& path : {"checkpoint-500", "checkpoint-1000"})
///         series.add(open_model(path));
///     series.result().checkpoints.back().findings
class checkpoint_series
{
public:
    explicit checkpoint_series(series_options options = {}) : options_(std::move(options)) { result_.rules = options_.rules; }

    /// Measures the next checkpoint and judges it against the one before.
    ///
    /// @param m         see open_model; tensors are matched by name
    /// @param progress  called when a tensor begins and when it is done; may cancel
    /// @return          see series_checkpoint; a tensor that cannot be read has an `error` and does not lose the others
    /// @throws cancelled              the callback returned false
    /// @throws std::invalid_argument  the patterns leave no tensor
    /// @note            two passes over each tensor, one over the one before, and for matrices those of analyze_largest_singular_value.
    ///                  The same figures for any number of threads.
    const series_checkpoint& add(const model& m, const progress_callback& progress = {})
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

    [[nodiscard]] const series_result& result() const { return result_; }

private:
    void measure(const named_tensor& t, const named_tensor* before, series_layer& layer, std::optional<compare_weights_result>& compared) const
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

    void judge(series_checkpoint& checkpoint, const std::vector<std::optional<compare_weights_result>>& compared,
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

    series_options options_;
    series_result result_ = {};
    std::vector<named_tensor> previous_ = {};
    std::map<std::string, std::size_t> places_ = {};
};

}  // namespace weightscope
