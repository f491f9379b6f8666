#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/estimate_importance.hpp>
#include <weightscope/scorers/importance_plan.hpp>
#include <weightscope/scorers/prune_result.hpp>
#include <weightscope/scorers/prune_scoring.hpp>
#include <weightscope/scorers/prune_sources.hpp>

namespace weightscope::detail {

// What "auto" chooses among.
inline std::vector<prune_method> automatic_candidates(bool can_collect_gradients, bool can_observe)
{
    std::vector<prune_method> result = {parse_prune_method("magnitude")};
    if (can_collect_gradients)
        for (const char* name : {"taylor", "taylor_2nd", "taylor_2nd_signed"})
            result.push_back(parse_prune_method(name));
    if (can_observe)
        result.push_back(parse_prune_method("wanda"));
    return result;
}

// What the methods need that files do not give: one step for each kind, so that each is timed apart.
class prune_collector
{
public:
    prune_collector(const model& m, const prune_sources& sources, const study_pruning_options& options, const std::vector<std::size_t>& tensors)
        : sources_(sources), options_(options)
    {
        for (const std::size_t t : tensors)
            names_.push_back(m.tensors[t].name);
        for (const std::size_t t : tensors)
            ranks_.push_back(m.tensors[t].shape.size());
        importance_needs needs;
        for (const prune_method& method : options.methods) {
            if (method.score == prune_score::automatic) {
                require(static_cast<bool>(sources.calibration()), "{}: auto removes a sample for real to choose; give data or an evaluator", prune_caller);
                const auto known = candidates();
                for (const prune_method& candidate : known)
                    add(needs, candidate.needs());
            }
            const bool measures = method.score != prune_score::weights && method.score != prune_score::automatic;
            require(!measures || static_cast<bool>(sources.calibration()), "{}: {} measures losses; give data or an evaluator", prune_caller,
                    method.name);
            require(!measures || options.unit == prune_unit::group, "{}: {} is for groups; a loss for every weight would never end", prune_caller,
                    method.name);
            add(needs, method.needs());
        }
        needs_ = missing(needs);
    }

    std::vector<prune_method> candidates() const
    {
        const prune_evaluator& e = sources_.calibration();
        return automatic_candidates(e.evaluator->has_gradient(), static_cast<bool>(e.importance.observe));
    }

    // Adds to the plan what collecting will cost.
    void plan(prune_plan& plan) const
    {
        for (const importance_options& step : steps()) {
            const importance_plan one = plan_importance(sources_.calibration().importance, step);
            plan.counts += one.evaluation.counts;
            plan.observations += one.observations;
            plan.seconds += one.evaluation.seconds;
            plan.memory_bytes += one.kept_bytes;
            peak_ = std::max(peak_, one.evaluation.memory_bytes - one.kept_bytes);
            plan.lines.push_back(describe(one));
        }
        plan.memory_bytes += peak_;
    }

    // Fills `data` with what is missing; files win.
    void collect(importance_data& data, prune_result& result, const progress_callback& progress)
    {
        for (importance_options& step : steps()) {
            step.evaluation.progress = progress;
            const importance_estimate found = estimate_importance(sources_.calibration().importance, step);
            data.add(found.data);
            (step.activations ? activation_seconds_ : step.hessian ? curvature_seconds_ : gradient_seconds_) += found.seconds;
            if (step.fisher)
                fisher_ = true;
            if (found.fisher_to_curvature_ratio.exists())
                result.fisher_to_curvature_ratio = found.fisher_to_curvature_ratio;
        }
        data.add(sources_.data);
    }

    double seconds_for(const importance_needs& needs) const
    {
        return (needs.activations ? activation_seconds_ : 0) + (needs.gradients ? gradient_seconds_ : 0)
             + (needs.curvature && !fisher_ ? curvature_seconds_ : 0);
    }

private:
    static void add(importance_needs& to, const importance_needs& more)
    {
        to.gradients = to.gradients || more.gradients;
        to.curvature = to.curvature || more.curvature;
        to.activations = to.activations || more.activations;
    }

    importance_needs missing(const importance_needs& needs) const
    {
        importance_needs result;
        std::string lacking;
        for (std::size_t i = 0; i < names_.size(); ++i) {
            const importance_info info = sources_.data.of(names_[i]);
            result.gradients = result.gradients || (needs.gradients && info.gradients.empty());
            result.curvature = result.curvature || (needs.curvature && info.hessian_diag.empty() && info.squared_gradients.empty());
            result.activations = result.activations || (needs.activations && ranks_[i] >= 2 && !info.activations);
        }
        if (result.gradients)
            lacking = "gradients";
        if (result.curvature)
            lacking += std::string(lacking.empty() ? "" : ", ") + "the curvature";
        if (result.activations)
            lacking += std::string(lacking.empty() ? "" : ", ") + "the inputs of layers";
        require(lacking.empty() || static_cast<bool>(sources_.calibration()),
                "{}: the methods need {}; give data or an evaluator to collect them from, or files that have them", prune_caller, lacking);
        require(!result.activations || static_cast<bool>(sources_.calibration().importance.observe),
                "{}: the methods need the inputs of layers, and the evaluator does not show them; let it, or give a file that has them", prune_caller);
        const bool by_sample = result.curvature && options_.curvature == curvature_input::fisher;
        require(!result.gradients || sources_.calibration().evaluator->has_gradient()
                    || (by_sample && sources_.calibration().evaluator->has_sample_gradient()),
                "{}: the methods need gradients, and the evaluator has none; let it give them, or give a file that has them", prune_caller);
        return result;
    }

    std::vector<importance_options> steps() const
    {
        std::vector<importance_options> result;
        importance_options none{.activations = false, .gradients = false, .standard_errors = false, .drop_first_of = options_.drop_first_of,
                                .fingerprint = options_.fingerprint};
        if (!sources_.calibration())
            return result;
        none.evaluation.seed = options_.seed;
        const std::vector<weight_info>& weights = sources_.calibration().evaluator->weights();
        for (std::size_t t = 0; t < weights.size(); ++t)
            if (std::find(names_.begin(), names_.end(), weights[t].name) != names_.end())
                none.evaluation.tensors.push_back(t);
        if (needs_.activations) {
            result.push_back(none);
            result.back().activations = true;
        }
        const bool fisher = needs_.curvature && options_.curvature == curvature_input::fisher;
        if (needs_.gradients || fisher) {
            result.push_back(none);
            result.back().gradients = true;
            result.back().fisher = fisher;
            result.back().standard_errors = fisher;  // samples show them, batches do not
        }
        if (needs_.curvature && !fisher) {
            result.push_back(none);
            result.back().hessian = true;
            result.back().curvature.max_probes = options_.probes;
        }
        return result;
    }

    const prune_sources& sources_;
    const study_pruning_options& options_;
    std::vector<std::string> names_ = {};
    std::vector<std::size_t> ranks_ = {};
    importance_needs needs_ = {};
    mutable double peak_ = 0;
    double activation_seconds_ = 0, gradient_seconds_ = 0, curvature_seconds_ = 0;
    bool fisher_ = false;
};

}  // namespace weightscope::detail
