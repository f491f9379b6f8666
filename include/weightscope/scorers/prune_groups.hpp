#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/counter_random.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/scorers/ablation.hpp>
#include <weightscope/scorers/apply_masks.hpp>
#include <weightscope/scorers/group_scores.hpp>
#include <weightscope/scorers/importance_plan.hpp>
#include <weightscope/scorers/prune_collect.hpp>
#include <weightscope/scorers/prune_evidence.hpp>
#include <weightscope/scorers/prune_parts.hpp>
#include <weightscope/scorers/prune_result.hpp>
#include <weightscope/scorers/prune_scoring.hpp>
#include <weightscope/scorers/prune_screening.hpp>
#include <weightscope/scorers/prune_sources.hpp>
#include <weightscope/scorers/removable.hpp>
#include <weightscope/scorers/screening.hpp>
#include <weightscope/scorers/validate_scores.hpp>

namespace weightscope::detail {

// Scores of groups by any method, and their checks.
class prune_group_scorer
{
public:
    prune_group_scorer(const prune_sources& sources, const study_pruning_options& options, const grouped_model& groups, const prune_scorer& scorer,
                       const prune_collector& collector, const progress_callback& progress)
        : sources_(sources), options_(options), groups_(groups), scorer_(scorer), collector_(collector), progress_(progress),
          eligible_(eligible_groups(groups, options.selection)), first_(first_groups(groups))
    {
    }

    void score(const prune_method& method, prune_trial& trial) const
    {
        trial.evidence.comparison = "global";
        trial.evidence.normalisation = options_.group_scores.per_parameter ? "importance / parameters" : "none";
        if (method.parts.size() > 1)
            trial.evidence.normalisation = "parts / mean, " + trial.evidence.normalisation;
        if (method.score == prune_score::automatic)
            score_automatic(trial);
        else
            trial.scores = scores_of(method, trial.evidence);
        trial.formula = trial.scores.formula;
        trial.unscored_count = trial.scores.unscored_count;
    }

    void validate(prune_trial& trial) const
    {
        trial.validation.push_back({.part = "all", .method = trial.method, .result = check(trial.scores, {}, options_.validate)});
    }

private:
    group_scores_result scores_of(const prune_method& method, prune_evidence& evidence) const
    {
        const bool vectorised = options_.group_scores.reduction == group_reduction::vectorised;
        if (method.score != prune_score::weights)
            return method.score == prune_score::screening ? screened_scores(method, evidence) : measured_scores(method, evidence);
        if (method.parts.size() == 1 && method.parts[0].method == importance_method::random)
            return random_scores(method);
        if (vectorised)
            require(method.parts.size() == 1
                        && (method.parts[0].method == importance_method::taylor || method.parts[0].method == importance_method::taylor_2nd_signed),
                    "{}: the reduction vectorised needs terms with signs; take taylor or taylor_2nd_signed, not {}", prune_caller, method.name);
        evidence_gatherer gatherer;
        group_scores_result result = score_groups(
            groups_,
            [&](std::size_t t) {
                importance_result found = scorer_.score(t, method);
                gatherer.add(t, found);
                return vectorised ? scorer_.signed_terms(t, method) : std::move(found.scores);
            },
            options_.group_scores, progress_);
        gatherer.tell(evidence);
        const std::string one = vectorised && method.parts[0].method == importance_method::taylor ? "w g" : scorer_.formula(method);
        const char* words[] = {"Σ ", "mean ", "max ", "|Σ "};
        result.method = method.name;
        result.formula = words[static_cast<std::size_t>(result.reduction)] + one + (vectorised ? "|" : "");
        result.predicts_change = !vectorised && method.parts.size() == 1 && method.parts[0].method == importance_method::taylor_2nd_signed;
        forget_others(result);
        return result;
    }

    // One number for each group: sums of many would be all alike.
    group_scores_result random_scores(const prune_method& method) const
    {
        group_scores_result result{.method = method.name,
                                   .formula = "uniform in [0, 1) for each group, times its parameters",
                                   .per_parameter = options_.group_scores.per_parameter};
        for (const group_family& family : groups_.families) {
            const counter_random random(options_.seed, "random group importance", family.name(family.unit_count));
            for (std::size_t u = 0; u < family.unit_count; ++u)
                result.importance.push_back(random.uniform(u, 0) * static_cast<double>(family.parameters));
        }
        finish_group_scores(groups_, result);
        forget_others(result);
        return result;
    }

    // What losses of the calibration data say.
    void tell_losses(const group_scores_result& scores, prune_evidence& evidence) const
    {
        const prune_evaluator& calibration = sources_.calibration();
        std::vector<std::size_t> batches(calibration.evaluator->batch_count());
        std::iota(batches.begin(), batches.end(), std::size_t{0});
        evidence.source = "evaluator";
        evidence.batches = batches.size();
        evidence.samples = samples_of(calibration.importance, batches);
        evidence.relative_standard_error =
            batches.size() > 1 ? relative_error_of(scores.importance, scores.standard_errors) : metric::missing("there is one batch");
    }

    group_scores_result measured_scores(const prune_method& method, prune_evidence& evidence) const
    {
        any_evaluator& evaluator = *sources_.calibration().evaluator;
        const std::vector<weight_group> gates = gates_of_eligible();
        ablation_options how;
        how.evaluation = evaluation();
        const group_importance_result found = score_by_probe(evaluator, gates, how, method.score == prune_score::ablation, prune_caller);
        group_scores_result result{.importance = std::vector<double>(groups_.group_count(), std::numeric_limits<double>::quiet_NaN()),
                                   .method = method.name,
                                   .formula = found.formula + " over the rows that shut the group",
                                   .per_parameter = options_.group_scores.per_parameter,
                                   .predicts_change = true};
        if (found.origin.batches > 1)
            result.standard_errors = result.importance;
        for (std::size_t i = 0; i < eligible_.size(); ++i) {
            const std::size_t g = first_[eligible_[i].family] + eligible_[i].unit;
            result.importance[g] = found.scores[i];
            if (found.origin.batches > 1)
                result.standard_errors[g] = found.batch_errors[i];
        }
        tell_losses(result, evidence);
        finish_group_scores(groups_, result);
        result.unscored_count -= groups_.group_count() - eligible_.size();
        return result;
    }

    std::vector<weight_group> gates_of_eligible() const
    {
        std::vector<weight_group> gates;
        for (const group_place& place : eligible_)
            gates.push_back(gate_of(groups_, place, sources_.calibration().evaluator->weights()));
        return gates;
    }

    group_scores_result screened_scores(const prune_method& method, prune_evidence& evidence) const
    {
        prune_method by_weights = method;
        by_weights.score = prune_score::weights;
        group_scores_result result = scores_of(by_weights, evidence);
        const auto index = [&](std::size_t i) { return first_[eligible_[i].family] + eligible_[i].unit; };
        screening_options how = screening_for(groups_, eligible_, options_.selection);
        how.evaluation = evaluation();
        std::vector<double> cheap;
        for (std::size_t i = 0; i < eligible_.size(); ++i) {
            cheap.push_back(result.scores[index(i)]);
            how.costs.push_back(result.per_parameter ? static_cast<double>(std::max<std::uint64_t>(groups_.families[eligible_[i].family].parameters, 1)) : 1.0);
        }
        const screening_result found = screen(*sources_.calibration().evaluator, gates_of_eligible(), cheap, how, prune_caller);
        const screened_scores_result merged = merge_screened(found, how.costs);
        const std::string cheap_source = evidence.source;
        result.standard_errors.assign(groups_.group_count(), std::numeric_limits<double>::quiet_NaN());
        for (std::size_t i = 0; i < eligible_.size(); ++i) {
            result.importance[index(i)] = merged.importance[i];
            result.standard_errors[index(i)] = merged.errors[i];
        }
        tell_losses(result, evidence);
        if (cheap_source.find("evaluator") == std::string::npos && !cheap_source.empty())
            evidence.source += ", " + cheap_source;
        if (evidence.batches < 2)
            result.standard_errors.clear();
        result.formula = fmt::format("L(w = 0) - L(w) over the rows that shut the group, for {} of {} groups, {} of them on all batches; for the others "
                                     "{:.3g} times {}",
                                     merged.measured_count, eligible_.size(), found.verified_count, merged.scale, result.formula);
        result.method = method.name;
        result.predicts_change = false;
        finish_group_scores(groups_, result);
        forget_others(result);
        return result;
    }

    // Only groups that may go count as unscored.
    void forget_others(group_scores_result& result) const
    {
        result.unscored_count = 0;
        for (const group_place& place : eligible_)
            result.unscored_count += std::isnan(result.importance[first_[place.family] + place.unit]) ? 1 : 0;
    }

    evaluation_options evaluation() const
    {
        evaluation_options how;
        how.seed = options_.seed;
        how.threads = concurrency();
        how.progress = progress_;
        return how;
    }

    // Removes a sample of the groups of a part, or of all.
    validation_result check(const group_scores_result& scores, const std::string& part, std::size_t samples) const
    {
        any_evaluator& evaluator = *sources_.calibration().evaluator;
        std::vector<removable> all, chosen;
        std::vector<group_place> places;
        for (const group_place& place : eligible_) {
            const group_kind kind = groups_.families[place.family].kind;
            if (!part.empty() && part_of_kind(kind) != part)
                continue;
            all.push_back({.group = {}, .predicted = scores.importance[first_[place.family] + place.unit], .stratum = std::string(to_string(kind))});
            places.push_back(place);
        }
        for (const std::size_t i : sample_removables(all, {.samples = samples, .seed = options_.seed})) {
            all[i].group = gate_of(groups_, places[i], evaluator.weights());
            chosen.push_back(std::move(all[i]));
        }
        validate_scores_options how{.samples = chosen.size(), .seed = options_.seed};
        how.evaluation = evaluation();
        return validate_scores(evaluator, chosen, how, prune_caller);
    }

    void score_automatic(prune_trial& trial) const
    {
        std::vector<std::string> parts;
        for (const group_place& place : eligible_)
            if (const std::string part = part_of_kind(groups_.families[place.family].kind); std::find(parts.begin(), parts.end(), part) == parts.end())
                parts.push_back(part);
        const std::size_t samples = std::max<std::size_t>((options_.validate > 0 ? options_.validate : 200) / std::max<std::size_t>(parts.size(), 1), 10);
        const std::vector<prune_method> candidates = collector_.candidates();
        std::vector<group_scores_result> scores;
        for (const prune_method& candidate : candidates)
            scores.push_back(scores_of(candidate, trial.evidence));
        tell_losses({}, trial.evidence);
        trial.evidence.relative_standard_error = metric::missing("the parts are scored by methods of their own");
        group_scores_result& result = trial.scores;
        result = {.importance = std::vector<double>(groups_.group_count(), std::numeric_limits<double>::quiet_NaN()),
                  .method = "auto",
                  .reduction = options_.group_scores.reduction,
                  .per_parameter = options_.group_scores.per_parameter};
        for (const std::string& part : parts) {
            std::size_t best = 0;
            double best_rank = -2, scale = 1;
            const std::size_t begin = trial.validation.size();
            for (std::size_t c = 0; c < candidates.size(); ++c) {
                trial.validation.push_back({.part = part, .method = candidates[c].name, .chosen = false, .result = check(scores[c], part, samples)});
                const validation_result& found = trial.validation.back().result;
                if (!found.spearman.value.exists() || found.spearman.value.value <= best_rank)
                    continue;
                best = c;
                best_rank = found.spearman.value.value;
                double measured = 0, predicted = 0;
                for (const validated_item& item : found.items)
                    if (std::isfinite(item.measured)) {
                        measured += std::max(item.measured, 0.0);
                        predicted += std::fabs(item.predicted);
                    }
                scale = measured > 0 && predicted > 0 ? measured / predicted : 1;
            }
            trial.validation[begin + best].chosen = true;
            result.formula += fmt::format("{}{}: {}, times {:.3g}", result.formula.empty() ? "" : "; ", part, scores[best].formula, scale);
            for (const group_place& place : eligible_)
                if (part_of_kind(groups_.families[place.family].kind) == part) {
                    const std::size_t g = first_[place.family] + place.unit;
                    result.importance[g] = scale * scores[best].importance[g];
                }
        }
        finish_group_scores(groups_, result);
        forget_others(result);
    }

    const prune_sources& sources_;
    const study_pruning_options& options_;
    const grouped_model& groups_;
    const prune_scorer& scorer_;
    const prune_collector& collector_;
    const progress_callback& progress_;
    std::vector<group_place> eligible_;
    std::vector<std::size_t> first_;  // number of each family's first group
};

}  // namespace weightscope::detail
