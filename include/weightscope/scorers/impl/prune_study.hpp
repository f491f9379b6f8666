#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/apply_masks.hpp>
#include <weightscope/scorers/importance_data.hpp>
#include <weightscope/scorers/prune_collect.hpp>
#include <weightscope/scorers/prune_groups.hpp>
#include <weightscope/scorers/prune_measure.hpp>
#include <weightscope/scorers/prune_parts.hpp>
#include <weightscope/scorers/prune_result.hpp>
#include <weightscope/scorers/prune_scoring.hpp>
#include <weightscope/scorers/prune_screening.hpp>
#include <weightscope/scorers/prune_sources.hpp>
#include <weightscope/scorers/prune_study.hpp>
#include <weightscope/scorers/prune_weights.hpp>
#include <weightscope/scorers/screening.hpp>
#include <weightscope/scorers/transformer_groups.hpp>

namespace weightscope {

namespace detail {

// What may go: groups, or weights of matrices.
struct prune_scope
{
    grouped_model groups = {};
    std::vector<std::size_t> matrices = {};
    std::vector<std::size_t> tensors = {};  // that scores are needed of
    std::uint64_t prunable = 0;
};

inline prune_scope find_scope(const model& m, study_pruning_options& options)
{
    require(!options.methods.empty(), "{}: options.methods is empty, expected one or more", prune_caller);
    prune_scope scope;
    if (options.unit == prune_unit::group) {
        scope.groups = transformer_groups(m, options.groups);
        options.selection.frozen = unchosen_families(scope.groups, options.names);
        const auto by_tensor = slices_by_tensor(scope.groups);
        for (std::size_t t = 0; t < by_tensor.size(); ++t)
            if (!by_tensor[t].empty())
                scope.tensors.push_back(t);
        for (std::size_t f = 0; f < scope.groups.families.size(); ++f)
            if (may_lose(scope.groups.families[f], f, scope.groups, options.selection))
                scope.prunable += scope.groups.families[f].unit_count * scope.groups.families[f].parameters;
        require(scope.prunable > 0, "{}: all groups are frozen or left out by name", prune_caller);
        return scope;
    }
    require(!options.selection.parameters && !options.selection.bytes,
            "{}: a budget of parameters or bytes is for groups; single weights leave the model as large as it is, give a ratio", prune_caller);
    scope.matrices = scope.tensors = prunable_matrices(m, options);
    require(!scope.matrices.empty(), "{}: no matrix may lose weights: there is none, or all are frozen or left out by name", prune_caller);
    for (const std::size_t t : scope.matrices)
        scope.prunable += m.tensors[t].size();
    return scope;
}

inline std::size_t validation_count(const study_pruning_options& options, const prune_collector& collector)
{
    std::size_t count = 0;
    for (const prune_method& method : options.methods) {
        if (method.score == prune_score::automatic)
            count += collector.candidates().size() * (options.validate > 0 ? options.validate : 200);
        else
            count += options.validate;
    }
    return count;
}

WEIGHTSCOPE_INLINE prune_plan plan_pruning(const model& m, const prune_sources& sources, study_pruning_options options)
{
    const prune_scope scope = find_scope(m, options);
    const prune_collector collector(m, sources, options, scope.tensors);
    prune_plan plan;
    std::size_t largest = 0, masks = 0;
    for (const std::size_t t : scope.tensors) {
        largest = std::max(largest, m.tensors[t].size());
        masks += m.tensors[t].size();
    }
    plan.memory_bytes = static_cast<double>(largest) * 3 * sizeof(double) + static_cast<double>(masks / 8 * options.methods.size());
    collector.plan(plan);
    const auto add_losses = [&](const prune_evaluator& e, std::size_t passes, const std::string& what) {
        if (!e || passes == 0)
            return;
        any_evaluator& evaluator = *e.evaluator;
        const double seconds = seconds_of([&] { (void)evaluator.loss(0); }) * static_cast<double>(evaluator.batch_count() * passes);
        plan.counts.losses += evaluator.batch_count() * passes;
        plan.seconds += seconds;
        plan.lines.push_back(fmt::format("{}: {} losses of {} batches, about {:.3g} s", what, passes, evaluator.batch_count(), seconds));
    };
    const std::vector<group_place> eligible =
        options.unit == prune_unit::group ? eligible_groups(scope.groups, options.selection) : std::vector<group_place>{};
    const auto add_screening = [&](const prune_method& method) {
        any_evaluator& evaluator = *sources.calibration().evaluator;
        const auto rounds =
            screening_rounds(eligible.size(), evaluator.batch_count(), screening_for(scope.groups, eligible, options.selection), prune_caller);
        const std::size_t losses = screening_losses(rounds);
        const double seconds = seconds_of([&] { (void)evaluator.loss(0); }) * static_cast<double>(losses);
        plan.counts.losses += losses;
        plan.seconds += seconds;
        plan.lines.push_back(fmt::format("{}: {} rounds, {} losses of a batch, about {:.3g} s", method.name, rounds.size(), losses, seconds));
    };
    for (const prune_method& method : options.methods)
        if (method.score == prune_score::ablation || method.score == prune_score::probe)
            add_losses(sources.calibration(), eligible.size() * (method.score == prune_score::probe ? 2 : 1) + 1, method.name);
        else if (method.score == prune_score::screening)
            add_screening(method);
    if (const std::size_t removals = validation_count(options, collector); removals > 0)
        add_losses(sources.calibration(), removals + 8 * options.methods.size(), "validation");
    if (const prune_evaluator& e = sources.measuring()) {
        const model_quality_plan measuring = e.meter()->plan(options.methods.size());
        plan.counts += measuring.counts;
        plan.seconds += measuring.seconds;
        plan.memory_bytes += measuring.memory_bytes;
        plan.lines.push_back(fmt::format("measuring: {} losses and {} outputs of a batch, about {:.3g} s", measuring.counts.losses,
                                         measuring.counts.outputs, measuring.seconds));
    }
    return plan;
}

inline void measure_trials(const model& m, const prune_evaluator& e, prune_result& result, const progress_callback& progress)
{
    const std::unique_ptr<quality_meter> meter = e.meter();
    const std::size_t calls = meter->plan(result.trials.size()).calls();
    progress_reporter reporter(progress, calls, static_cast<double>(calls));
    result.before = meter->original(&reporter);
    for (prune_trial& trial : result.trials)
        trial.after = meter->changed([&](weight_patch& patch) { apply_masks(patch, *e.evaluator, m, trial.masks); }, &reporter);
}

WEIGHTSCOPE_INLINE prune_result study_pruning(const model& m, const prune_sources& sources, study_pruning_options options,
                                              const progress_callback& progress)
{
    const auto start = std::chrono::steady_clock::now();
    const auto seconds_since = [](auto from) { return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count(); };
    prune_result result{.model_path = m.path.string(), .format = m.format, .architecture = m.architecture};
    prune_scope scope = find_scope(m, options);
    prune_collector collector(m, sources, options, scope.tensors);
    require(options.validate == 0 || static_cast<bool>(sources.calibration()), "{}: validation removes a sample for real; give data or an evaluator",
            prune_caller);
    importance_data data;
    collector.collect(data, result, progress);
    const prune_scorer scorer(m, data, options);
    const prune_group_scorer group_scorer(sources, options, scope.groups, scorer, collector, progress);
    const prune_weight_chooser chooser(m, sources, options, scope.matrices, scorer, collector, progress);
    for (const prune_method& method : options.methods) {
        prune_trial& trial = result.trials.emplace_back(prune_trial{.method = method.name});
        const memory_meter memory;
        const auto begin = std::chrono::steady_clock::now();
        const evaluation_counts before = sources.calibration() ? sources.calibration().evaluator->counts() : evaluation_counts{};
        if (options.unit == prune_unit::group) {
            group_scorer.score(method, trial);
            trial.selection = select_groups(scope.groups, trial.scores.scores, options.selection);
            describe_groups(scope.groups, trial);
        } else {
            chooser.choose(method, trial);
        }
        trial.seconds = seconds_since(begin);
        trial.peak_bytes = memory.peak();
        trial.counts = (sources.calibration() ? sources.calibration().evaluator->counts() : evaluation_counts{}) - before;
        trial.collecting_seconds = collector.seconds_for(method.needs());
        if (options.validate > 0 && method.score != prune_score::automatic)
            options.unit == prune_unit::group ? group_scorer.validate(trial) : chooser.validate(method, trial);
    }
    for (prune_trial& trial : result.trials)
        trial.overlap = overlap_of(result.trials.front().masks, trial.masks);
    if (const prune_evaluator& e = sources.measuring())
        measure_trials(m, e, result, progress);
    result.settings = std::move(options);
    result.fingerprint = result.settings.fingerprint;
    result.notes = scope.groups.notes;
    if (!sources.measuring())
        result.notes.push_back("the model was not run: what it loses is not known; give data, a text or an evaluator");
    result.groups = std::move(scope.groups);
    result.matrices = std::move(scope.matrices);
    result.prunable_parameters = scope.prunable;
    if (result.settings.unit != prune_unit::group)
        for (const named_tensor& t : m.tensors) {
            const bool counts = !is_buffer(t.name) && t.part_of.empty() && t.tied_to.empty();
            result.groups.parameters += counts ? t.size() : 0;
            result.groups.bytes += counts ? t.stored_bytes() : 0;
            result.groups.tensors.push_back({.name = t.name, .shape = t.shape, .dtype = t.dtype, .parameters = counts ? t.size() : 0});
        }
    result.seconds = seconds_since(start);
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE prune_plan plan_pruning(const model& m, const prune_sources& sources, const study_pruning_options& options)
{
    return with_threads(options.threads, [&] { return detail::plan_pruning(m, sources, options); });
}

WEIGHTSCOPE_INLINE prune_result study_pruning(const model& m, const prune_sources& sources, const study_pruning_options& options,
                                              const progress_callback& progress)
{
    return with_threads(options.threads, [&] { return detail::study_pruning(m, sources, options, progress); });
}

}  // namespace weightscope
