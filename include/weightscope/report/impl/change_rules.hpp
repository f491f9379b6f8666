#pragma once

#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/change_rules.hpp>
#include <weightscope/report/layer_change.hpp>

namespace weightscope {

namespace detail {

inline change_rule appeared_rule()
{
    return {.id = "appeared_nonfinite",
            .label = "weights that became NaN or infinite",
            .metric_name = "appeared_count",
            .value = [](const layer_change& c) { return c.appeared_count; },
            .critical = 0,
            .meaning = "whatever this layer feeds becomes NaN or infinite",
            .remedy = "Go back to the state before; lower the learning rate, clip gradients, or scale before the conversion."};
}

inline change_rule drift_rule(const char* id)
{
    return {.id = id,
            .label = "distance from the state before, relative to its norm",
            .metric_name = "relative_l2_distance",
            .value = [](const layer_change& c) { return c.relative_l2_distance; },
            .info = 0.1,
            .warning = 0.5,
            .meaning = "little is left of what the layer had learnt",
            .remedy = "Check that both states belong together; in training, lower the learning rate."};
}

inline change_rule ratio_rule(const char* id, const char* label, const char* name, metric layer_change::*field, comparison compare)
{
    return {.id = id, .label = label, .metric_name = name, .value = [field](const layer_change& c) { return c.*field; }, .compare = compare};
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<change_rule> comparison_rules()
{
    change_rule removed = detail::ratio_rule("removed", "layers missing", "only_in_model1", &layer_change::removed, comparison::at_least);
    removed.warning = 1;
    removed.meaning = "the second model lacks this layer, or has it in another size";
    removed.remedy = "Check that the export is complete and that both are the same architecture.";
    change_rule unrelated = detail::ratio_rule("unrelated", "cosine of the matrices", "cosine_similarity", &layer_change::cosine_similarity,
                                               comparison::below);
    unrelated.warning = 0.3;
    unrelated.whole_model = true;
    unrelated.meaning = "the second model does not come from the first";
    unrelated.remedy = "Check that the right two are compared.";
    change_rule conditioning = detail::ratio_rule("conditioning", "condition number, after / before", "spectral_diff.condition_number_ratio",
                                                  &layer_change::condition_number_ratio, comparison::at_least);
    conditioning.warning = 100;
    conditioning.meaning = "a direction that was there is all but lost";
    conditioning.remedy = "Look for outputs that became sums of others.";
    change_rule rank = detail::ratio_rule("lost_rank", "stable rank, after / before", "stable_rank ratio", &layer_change::stable_rank_ratio,
                                          comparison::below);
    rank.warning = 0.5;
    rank.critical = 0.1;
    rank.meaning = "a few directions took over";
    rank.remedy = "Look for outliers that appeared; go back to the state before.";
    return {detail::appeared_rule(), removed, unrelated, detail::drift_rule("drift"), conditioning, rank};
}

WEIGHTSCOPE_INLINE std::vector<change_rule> series_rules()
{
    using detail::ratio_rule;
    const std::vector<change_rule> shared = comparison_rules();
    change_rule explosion = ratio_rule("explosion", "norm, after / before", "l2_norm_ratio", &layer_change::l2_norm_ratio, comparison::at_least);
    explosion.critical = 10;
    explosion.meaning = "training has diverged";
    explosion.remedy = "Go back to the checkpoint before; lower the learning rate, and clip gradients.";
    change_rule growth = ratio_rule("growth", "norm, after / before", "l2_norm_ratio", &layer_change::l2_norm_ratio, comparison::above);
    growth.info = 1.1;
    growth.warning = 2;
    growth.explained_by = "explosion";
    growth.meaning = "the layer grows fast";
    growth.remedy = "Watch the next checkpoints; add weight decay or lower the learning rate if it goes on.";
    change_rule collapse = ratio_rule("collapse", "norm, after / before", "l2_norm_ratio", &layer_change::l2_norm_ratio, comparison::below);
    collapse.info = 0.9;
    collapse.warning = 0.5;
    collapse.critical = 0.1;
    collapse.meaning = "the layer is fading away";
    collapse.remedy = "Lower weight decay or the learning rate; check that its gradients arrive.";
    change_rule spectral = ratio_rule("spectral_growth", "largest singular value, after / before", "spectral_norm_ratio",
                                      &layer_change::spectral_norm_ratio, comparison::at_least);
    spectral.warning = 4;
    spectral.critical = 100;
    spectral.explained_by = "explosion";
    spectral.meaning = "one direction of the layer grows away from the others";
    spectral.remedy = "Lower the learning rate, clip gradients, or normalise the layer.";
    change_rule frozen = ratio_rule("frozen", "weights that did not change", "unchanged_percentage", &layer_change::unchanged_percentage,
                                    comparison::at_least);
    frozen.info = 100;
    frozen.unit = "%";
    frozen.meaning = "the layer was not trained";
    frozen.remedy = "Nothing, if it is frozen by design; else check that its gradients arrive and that the optimizer knows it.";
    change_rule stall = ratio_rule("stall", "distance from the state before, relative to its norm", "relative_l2_distance",
                                   &layer_change::relative_l2_distance, comparison::at_most);
    stall.warning = 1e-6;
    stall.whole_model = true;
    stall.meaning = "the model has stopped learning";
    stall.remedy = "Check the learning rate's schedule, and that gradients are neither 0 nor skipped.";
    change_rule sharp = detail::drift_rule("sharp_change");
    sharp.info.reset();
    sharp.explained_by = "explosion";
    return {detail::appeared_rule(), shared[1], explosion, growth, collapse, spectral, shared[5], sharp, frozen, stall};
}

}  // namespace weightscope
