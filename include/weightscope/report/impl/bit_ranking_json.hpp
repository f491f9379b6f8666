#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/io/bit_plan.hpp>
#include <weightscope/report/bit_ranking_json.hpp>
#include <weightscope/report/bit_selection_json.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/model_quality_json.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/scorers/bit_failing_share_result.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/bit_share.hpp>
#include <weightscope/scorers/bit_trial_order.hpp>

namespace weightscope {

namespace detail {

inline ordered_json named_numbers(const std::vector<std::string>& names, const std::vector<double>& numbers)
{
    ordered_json object = ordered_json::object();
    for (std::size_t m = 0; m < names.size() && m < numbers.size(); ++m)
        append_member(object, names[m], json_number(numbers[m]));
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const bit_ranking& ranking, const bit_trial& trial)
{
    ordered_json object = to_json(trial.flip);
    append_member(object, "weight_score", json_number(trial.weight_score));
    append_member(object, "outcome", to_string(trial.outcome));
    append_member(object, "candidate", trial.candidate);
    append_member(object, "tensor", trial.tensor);
    append_member(object, "step", trial.step);
    append_member(object, "flipped_metrics", named_numbers(ranking.metrics, trial.values));
    append_member(object, "delta", named_numbers(ranking.metrics, trial.deltas));
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const bit_ranking& ranking, const ranked_flip& flip)
{
    ordered_json object = to_json(flip.flip);
    append_member(object, "metric", ranking.metrics.front());
    append_member(object, "score", json_number(flip.delta));
    append_member(object, "original_score", json_number(flip.before));
    append_member(object, "flipped_score", json_number(flip.after));
    append_member(object, "outcome", to_string(flip.outcome));
    append_member(object, "step", flip.step);
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of_measuring(const flips_quality& quality)
{
    return {{"batches", quality.batches},
            {"losses", quality.counts.losses},
            {"measures", quality.counts.measures},
            {"outputs", quality.counts.outputs},
            {"seconds", json_number(quality.seconds)},
            {"before", measured_json(quality.before)}};
}

inline ordered_json top_by_metric(const bit_ranking& ranking, std::size_t count)
{
    ordered_json object = ordered_json::object();
    for (std::size_t m = 0; m < ranking.metrics.size(); ++m) {
        ordered_json list = ordered_json::array();
        for (const bit_trial* trial : trials_by_metric(ranking, m))
            if (count == 0 || list.size() < count)
                list.push_back(json_of(ranking, *trial));
        append_member(object, ranking.metrics[m], std::move(list));
    }
    return object;
}

WEIGHTSCOPE_INLINE ordered_json json_of(const share_estimate& share)
{
    return {{"share", share.share}, {"lower", share.lower}, {"upper", share.upper}};
}

WEIGHTSCOPE_INLINE ordered_json json_of(const failing_share_result& result)
{
    ordered_json strata = ordered_json::array();
    for (const failing_stratum& s : result.strata) {
        ordered_json one = {{"kind", s.kind},
                            {"part", s.part},
                            {"bit", s.bit},
                            {"population", s.failing.population},
                            {"sample", s.failing.sample},
                            {"failing", s.failing.hits},
                            {"crashes", s.crash_count},
                            {"share", json_of(s.share)}};
        append_metric(one, "mean_change", s.mean_change, false);
        strata.push_back(std::move(one));
    }
    ordered_json object = {{"share", json_of(result.share)},
                           {"crash_share", json_of(result.crash_share)},
                           {"threshold", result.options.threshold},
                           {"confidence", result.options.confidence},
                           {"margin", result.options.samples > 0 ? ordered_json(nullptr) : ordered_json(result.options.margin)},
                           {"seed", result.options.evaluation.seed},
                           {"parts", result.options.parts},
                           {"passed_over", result.passed_over},
                           {"population", result.population},
                           {"sample", result.samples}};
    append_metric(object, "mean_change", result.mean_change, false);
    append_member(object, "strata", std::move(strata));
    return object;
}

inline ordered_json bit_ranking_document(const bit_ranking& ranking, const bit_report_context& context, const bit_ranking_json_options& options,
                                         const char* search)
{
    const rank_bits_options& o = ranking.options;
    ordered_json baseline = ordered_json::object(), metrics = ordered_json::array(), outcomes = ordered_json::object();
    for (const named_metric& figure : ranking.baseline) {
        append_member(baseline, figure.name, figure.value.exists() ? ordered_json(figure.value.value) : ordered_json(nullptr));
        metrics.push_back({{"name", figure.name}, {"higher_is_better", figure.higher_is_better}});
    }
    std::size_t flips = 0;
    for (std::size_t i = 0; i < ranking.outcomes.size(); ++i) {
        append_member(outcomes, std::string(to_string(static_cast<bit_trial_outcome>(i))), ranking.outcomes[i]);
        flips += ranking.outcomes[i];
    }
    ordered_json document = ordered_json::object();
    append_member(document, "schema", "weightscope/bits_rank/1");
    append_member(document, "version", version);
    append_member(document, "meta",
                  {{"model", context.model},
                   {"format", context.format},
                   {"fingerprint", ranking.fingerprint},
                   {"num_val_batches", context.num_val_batches},
                   {"eval_seq_len", context.eval_seq_len},
                   {"restrict", context.restricted},
                   {"bitset_mode", o.bits},
                   {"search_mode", search},
                   {"eval_metric", ranking.metrics.front()},
                   {"recorded_metrics", ranking.metrics},
                   {"goal", ranking.maximized ? "maximize" : "minimize"},
                   {"original_metric_score", json_number(ranking.start)},
                   {"best_metric_score", json_number(ranking.best)},
                   {"top_b", o.top_b},
                   {"go_on", o.go_on},
                   {"flips_per_weight", o.flips_per_weight},
                   {"crashes_first", o.crashes_first},
                   {"shard", o.shard},
                   {"shard_count", o.shard_count},
                   {"weights_source_mode", context.weights_file.empty() ? "select" : "file"},
                   {"weights_source_file", context.weights_file.empty() ? ordered_json(nullptr) : ordered_json(context.weights_file)},
                   {"num_candidates", ranking.candidate_count},
                   {"num_candidates_all", ranking.all_candidate_count},
                   {"num_flips", flips},
                   {"num_flips_evaluated", ranking.evaluations},
                   {"losses", ranking.counts.losses},
                   {"measures", ranking.counts.measures},
                   {"outputs", ranking.counts.outputs},
                   {"seconds", json_number(ranking.seconds)}});
    append_member(document, "notes", context.notes);
    append_member(document, "metrics", std::move(metrics));
    append_member(document, "baseline_metrics", std::move(baseline));
    append_member(document, "outcomes", std::move(outcomes));
    ordered_json after = ordered_json::array(), ranked = ordered_json::array(), plan = ordered_json::array(), records = ordered_json::array();
    for (const planned_flip& flip : o.after)
        after.push_back(to_json(flip));
    const std::size_t measured = ranking.quality ? ranking.quality->after.size() : 0;
    for (std::size_t i = 0; i < ranking.ranked.size(); ++i) {
        ranked.push_back(json_of(ranking, ranking.ranked[i]));
        if (measured > i + 1)
            append_member(ranked.back(), "quality", measured_json(ranking.quality->after[i + 1]));
    }
    for (const planned_flip& flip : ranking.plan)
        plan.push_back(to_json(flip));
    append_member(document, "after", std::move(after));
    append_member(document, "ranked", std::move(ranked));
    append_member(document, "plan", std::move(plan));
    if (measured > 0) {
        ordered_json quality = json_of_measuring(*ranking.quality);
        append_member(quality, "plan", measured_json(ranking.quality->after.front()));
        append_member(document, "quality", std::move(quality));
    }
    append_member(document, "top_by_metric", top_by_metric(ranking, options.top_k));
    if (options.all_records) {
        for (const bit_trial& trial : ranking.trials)
            records.push_back(json_of(ranking, trial));
        append_member(document, "all_records", std::move(records));
    }
    return document;
}

}  // namespace detail

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const bit_ranking& ranking, const bit_report_context& context,
                                                  const bit_ranking_json_options& options)
{
    return detail::bit_ranking_document(ranking, context, options, ranking.options.search == bit_search::progressive ? "progressive" : "independent");
}

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const failing_share_result& result, const bit_report_context& context,
                                                  const bit_ranking_json_options& options)
{
    nlohmann::ordered_json document = detail::bit_ranking_document(result.ranking, context, options, "sample");
    detail::append_member(document, "failing_share", detail::json_of(result));
    return document;
}

}  // namespace weightscope
