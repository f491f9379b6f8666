#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/io/bit_plan_reader.hpp>
#include <weightscope/report/bit_json_fields.hpp>
#include <weightscope/report/bit_ranking_reader.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/scorers/bit_failing_share_result.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope {

namespace detail {

class bit_ranking_reader
{
public:
    explicit bit_ranking_reader(const std::filesystem::path& path) : path_(path), fields_(path, "rank the flips again") {}

    saved_bit_ranking read() const
    {
        fields_.require_schema("weightscope/bits_rank/1", "rank");
        const auto& document = fields_.document();
        if (!document.contains("all_records"))
            fields_.refuse("all_records", "is missing, which putting shards together needs; rank with --shard or --save-all-records");
        saved_bit_ranking result;
        const auto& meta = fields_.member(document, "meta", "");
        result.context = fields_.context(meta);
        result.context.weights_file = fields_.text_or_null(meta, "weights_source_file");
        bit_ranking& r = result.ranking;
        read_settings(meta, r);
        r.candidate_count = fields_.whole(meta, "num_candidates");
        r.all_candidate_count = fields_.whole(meta, "num_candidates_all");
        r.evaluations = fields_.whole(meta, "num_flips_evaluated");
        r.counts.losses = fields_.whole(meta, "losses");
        r.counts.measures = fields_.whole(meta, "measures");
        r.counts.outputs = fields_.whole(meta, "outputs");
        r.seconds = fields_.number(meta, "seconds");
        const auto& baseline = fields_.member(document, "baseline_metrics", "");
        for (const auto& figure : fields_.member(document, "metrics", "")) {
            const std::string name = fields_.text(figure, "name");
            const double value = fields_.number(baseline, name.c_str());
            r.baseline.push_back({name, fields_.flag(figure, "higher_is_better"), metric(value)});
        }
        for (std::size_t i = 0; i < r.outcomes.size(); ++i)
            r.outcomes[i] = fields_.whole(fields_.member(document, "outcomes", ""), std::string(to_string(static_cast<bit_trial_outcome>(i))).c_str());
        std::size_t place = 0;
        for (const auto& flip : fields_.member(document, "after", ""))
            r.options.after.push_back(bit_entry_reader(nlohmann::json(flip), path_, fmt::format("after[{}]", place++)).read());
        for (const auto& record : document["all_records"])
            r.trials.push_back(trial(record, r.trials.size(), r.metrics));
        if (fields_.text(meta, "search_mode") == "sample")
            result.share = share(fields_.member(document, "failing_share", ""), r);
        return result;
    }

private:
    using json = bit_json_fields::json;

    void read_settings(const json& meta, bit_ranking& r) const
    {
        rank_bits_options& o = r.options;
        r.fingerprint = fields_.text(meta, "fingerprint");
        o.bits = fields_.text(meta, "bitset_mode");
        o.search = fields_.text(meta, "search_mode") == "progressive" ? bit_search::progressive : bit_search::independent;
        r.metrics = fields_.texts(meta, "recorded_metrics");
        o.metric = fields_.text(meta, "eval_metric");
        o.metrics.assign(r.metrics.begin() + (r.metrics.empty() ? 0 : 1), r.metrics.end());
        r.maximized = fields_.text(meta, "goal") == "maximize";
        o.goal = r.maximized ? bit_goal::maximize : bit_goal::minimize;
        r.start = fields_.number(meta, "original_metric_score");
        r.best = fields_.number(meta, "best_metric_score");
        o.top_b = fields_.whole(meta, "top_b");
        o.go_on = fields_.flag(meta, "go_on");
        o.flips_per_weight = fields_.whole(meta, "flips_per_weight");
        o.crashes_first = fields_.flag(meta, "crashes_first");
        o.shard = fields_.whole(meta, "shard");
        o.shard_count = fields_.whole(meta, "shard_count");
    }

    bit_trial trial(const json& record, std::size_t index, const std::vector<std::string>& metrics) const
    {
        const std::string place = fmt::format("all_records[{}]", index);
        bit_trial result{.flip = bit_entry_reader(nlohmann::json(record), path_, place).read(),
                         .weight_score = fields_.number(record, "weight_score"),
                         .candidate = fields_.whole(record, "candidate"),
                         .tensor = fields_.whole(record, "tensor"),
                         .step = fields_.whole(record, "step")};
        const std::string outcome = fields_.text(record, "outcome");
        std::size_t kind = 0;
        while (kind < bit_trial_outcome_count && to_string(static_cast<bit_trial_outcome>(kind)) != outcome)
            ++kind;
        if (kind == bit_trial_outcome_count)
            fields_.refuse_field(place + ".outcome", "is none that is known");
        result.outcome = static_cast<bit_trial_outcome>(kind);
        if (!fields_.member(record, "flipped_metrics", "").empty())
            for (const std::string& name : metrics) {
                result.values.push_back(fields_.number(record["flipped_metrics"], name.c_str()));
                result.deltas.push_back(fields_.number(fields_.member(record, "delta", ""), name.c_str()));
            }
        if (result.outcome == bit_trial_outcome::finite && result.values.empty())
            fields_.refuse_field(place, "has no figures");
        return result;
    }

    failing_share_result share(const json& saved, const bit_ranking& ranking) const
    {
        failing_share_result result{.population = fields_.whole(saved, "population"), .samples = fields_.whole(saved, "sample"), .ranking = ranking};
        failing_share_options& o = result.options;
        o.bits = ranking.options.bits;
        o.metric = ranking.options.metric;
        o.goal = ranking.options.goal;
        o.threshold = fields_.number(saved, "threshold");
        o.confidence = fields_.number(saved, "confidence");
        if (fields_.member(saved, "margin", "").is_null())
            o.samples = ranking.all_candidate_count;
        else
            o.margin = fields_.number(saved, "margin");
        o.evaluation.seed = fields_.whole(saved, "seed");
        o.parts = fields_.texts(saved, "parts");
        o.shard = ranking.options.shard;
        o.shard_count = ranking.options.shard_count;
        result.passed_over = fields_.texts(saved, "passed_over");
        for (const auto& s : fields_.member(saved, "strata", ""))
            result.strata.push_back({.kind = fields_.text(s, "kind"),
                                     .bit = static_cast<unsigned>(fields_.whole(s, "bit")),
                                     .failing = {.population = fields_.whole(s, "population"), .sample = fields_.whole(s, "sample"),
                                                 .hits = fields_.whole(s, "failing")},
                                     .crash_count = fields_.whole(s, "crashes"),
                                     .part = fields_.text(s, "part")});
        return result;
    }

    const std::filesystem::path& path_;
    bit_json_fields fields_;
};

}  // namespace detail

WEIGHTSCOPE_INLINE saved_bit_ranking read_bit_ranking(const std::filesystem::path& path)
{
    return detail::bit_ranking_reader(path).read();
}

}  // namespace weightscope
