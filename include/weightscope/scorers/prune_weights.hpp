#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/scorers/global_mask.hpp>
#include <weightscope/scorers/group_names.hpp>
#include <weightscope/scorers/mask.hpp>
#include <weightscope/scorers/nm_mask.hpp>
#include <weightscope/scorers/prune_collect.hpp>
#include <weightscope/scorers/prune_evidence.hpp>
#include <weightscope/scorers/prune_result.hpp>
#include <weightscope/scorers/prune_scoring.hpp>
#include <weightscope/scorers/prune_sources.hpp>
#include <weightscope/scorers/removable.hpp>
#include <weightscope/scorers/validate_scores.hpp>

namespace weightscope::detail {

// Chooses single weights of some matrices, by any method, and checks the choice.
class prune_weight_chooser
{
public:
    prune_weight_chooser(const model& m, const prune_sources& sources, const study_pruning_options& options, const std::vector<std::size_t>& matrices,
                         const prune_scorer& scorer, const prune_collector& collector, const progress_callback& progress)
        : model_(m), sources_(sources), options_(options), matrices_(matrices), scorer_(scorer), collector_(collector), progress_(progress)
    {
    }

    void choose(const prune_method& method, prune_trial& trial) const
    {
        std::vector<prune_method> of_matrix(matrices_.size(), method);
        if (method.score == prune_score::automatic)
            choose_methods(of_matrix, trial);
        else
            trial.formula = scorer_.formula(method);
        trial.masks.resize(model_.tensors.size());
        evidence_gatherer gatherer;
        std::vector<mask_result> found =
            options_.unit == prune_unit::global ? global_masks(of_matrix, trial, gatherer) : matrix_masks(of_matrix, gatherer);
        gatherer.tell(trial.evidence);
        trial.evidence.comparison = options_.unit == prune_unit::nm       ? to_string(options_.nm)
                                    : options_.unit == prune_unit::weight ? "tensor"
                                                                          : std::string(to_string(options_.unit));
        trial.evidence.normalisation = method.parts.size() > 1 ? "parts / mean" : "none";
        std::uint64_t size = 0;
        for (std::size_t i = 0; i < matrices_.size(); ++i) {
            const named_tensor& tensor = model_.tensors[matrices_[i]];
            trial.shares.push_back({.name = tensor.name, .parameters = tensor.size(), .removed = found[i].removed_count, .method = of_matrix[i].name});
            trial.removed_parameters += found[i].removed_count;
            trial.unscored_count += found[i].unscored_count;
            if (options_.unit != prune_unit::global)
                trial.tied_count += found[i].tied_count;
            size += tensor.size();
            trial.masks[matrices_[i]] = std::move(found[i].mask);
        }
        trial.actual_ratio = size > 0 ? static_cast<double>(trial.removed_parameters) / static_cast<double>(size) : 0;
    }

    void validate(const prune_method& method, prune_trial& trial) const
    {
        if (method.score == prune_score::weights)
            trial.validation.push_back({.part = "all", .method = method.name, .result = check(method, {}, options_.validate)});
    }

private:
    std::string part_of_matrix(std::size_t i) const
    {
        const auto name = parse_block_name(model_.tensors[matrices_[i]].name);
        return name && name->part <= block_part::attention_other ? "attention" : "feed-forward";
    }

    std::vector<mask_result> matrix_masks(const std::vector<prune_method>& methods, evidence_gatherer& gatherer) const
    {
        std::vector<mask_result> result;
        double cost = 0;
        for (const std::size_t t : matrices_)
            cost += static_cast<double>(model_.tensors[t].size());
        progress_reporter reporter(progress_, matrices_.size(), cost);
        for (std::size_t i = 0; i < matrices_.size(); ++i) {
            const std::size_t t = matrices_[i];
            const named_tensor& tensor = model_.tensors[t];
            reporter.begun(tensor.name);
            const importance_result scored = scorer_.score(t, methods[i]);
            gatherer.add(t, scored);
            const std::vector<double>& scores = scored.scores;
            const mask_options how{.ratio = options_.selection.ratio};
            const auto name = parse_block_name(tensor.name);
            const bool stack = name && name->expert_stack && tensor.shape.size() == 3;  // [experts, out, in]
            const std::size_t rows = stack ? tensor.shape[0] * tensor.shape[1] : tensor.shape[0];
            result.push_back(options_.unit == prune_unit::row  ? select_row_mask(scores, rows, how, scorer_.orientation(t))
                             : options_.unit == prune_unit::nm ? select_nm_mask(scores, rows, options_.nm, scorer_.orientation(t))
                                                               : select_tensor_mask(scores, how));
            reporter.finished(tensor.name, static_cast<double>(tensor.size()));
        }
        return result;
    }

    // The scores of a part's matrices, or of all.
    std::vector<scored_tensor> scored(const std::vector<prune_method>& methods, const std::string& part, evidence_gatherer* gatherer = nullptr) const
    {
        std::vector<scored_tensor> result;
        for (std::size_t i = 0; i < matrices_.size(); ++i)
            if (part.empty() || part_of_matrix(i) == part)
                result.push_back({.name = model_.tensors[matrices_[i]].name, .size = model_.tensors[matrices_[i]].size(), .scores = [this, &methods, i, gatherer] {
                                      importance_result found = scorer_.score(matrices_[i], methods[i]);
                                      if (gatherer != nullptr)
                                          gatherer->add(matrices_[i], found);
                                      return std::move(found.scores);
                                  }});
        return result;
    }

    std::vector<mask_result> global_masks(const std::vector<prune_method>& methods, prune_trial& trial, evidence_gatherer& gatherer) const
    {
        global_mask_result found = select_global_mask(scored(methods, {}, &gatherer), {.ratio = options_.selection.ratio, .most_per_tensor = options_.selection.most_per_layer});
        trial.tied_count = found.tied_count;
        return std::move(found.tensors);
    }

    validation_result check(const prune_method& method, const std::string& part, std::size_t samples) const
    {
        any_evaluator& evaluator = *sources_.calibration().evaluator;
        const std::vector<prune_method> methods(matrices_.size(), method);
        const std::vector<removable> items = sample_weights(evaluator.weights(), scored(methods, part), {.samples = samples, .seed = options_.seed});
        validate_scores_options how{.samples = items.size(), .seed = options_.seed};
        how.evaluation.threads = concurrency();
        how.evaluation.progress = progress_;
        return validate_scores(evaluator, items, how, prune_caller);
    }

    void choose_methods(std::vector<prune_method>& of_matrix, prune_trial& trial) const
    {
        const std::vector<prune_method> candidates = collector_.candidates();
        std::map<std::string, std::size_t> counts;
        for (std::size_t i = 0; i < matrices_.size(); ++i)
            ++counts[part_of_matrix(i)];
        const std::size_t samples = std::max<std::size_t>((options_.validate > 0 ? options_.validate : 200) / std::max<std::size_t>(counts.size(), 1), 10);
        for (const auto& [part, count] : counts) {
            const std::size_t begin = trial.validation.size();
            std::size_t best = 0;
            double best_rank = -2;
            for (std::size_t c = 0; c < candidates.size(); ++c) {
                trial.validation.push_back({.part = part, .method = candidates[c].name, .chosen = false, .result = check(candidates[c], part, samples)});
                const metric& rank = trial.validation.back().result.spearman.value;
                if (rank.exists() && rank.value > best_rank) {
                    best = c;
                    best_rank = rank.value;
                }
            }
            trial.validation[begin + best].chosen = true;
            trial.formula += fmt::format("{}{}: {}", trial.formula.empty() ? "" : "; ", part, scorer_.formula(candidates[best]));
            for (std::size_t i = 0; i < matrices_.size(); ++i)
                if (part_of_matrix(i) == part)
                    of_matrix[i] = candidates[best];
        }
    }

    const model& model_;
    const prune_sources& sources_;
    const study_pruning_options& options_;
    const std::vector<std::size_t>& matrices_;
    const prune_scorer& scorer_;
    const prune_collector& collector_;
    const progress_callback& progress_;
};

}  // namespace weightscope::detail
