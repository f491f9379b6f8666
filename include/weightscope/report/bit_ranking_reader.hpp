#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/io/bit_plan_reader.hpp>
#include <weightscope/io/json_document.hpp>
#include <weightscope/report/bit_selection_json.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope {

/// A ranking as it was saved, and what its file says of the model.
struct saved_bit_ranking
{
    bit_ranking ranking = {};
    bit_report_context context = {};
};

namespace detail {

// The members of a saved ranking, each with its place in messages.
class bit_ranking_reader
{
public:
    explicit bit_ranking_reader(const std::filesystem::path& path) : path_(path), document_(read_json_document<nlohmann::ordered_json>(path)) {}

    saved_bit_ranking read() const
    {
        if (!document_.is_object() || !document_.contains("schema") || document_["schema"] != "weightscope/bits_rank/1")
            refuse("schema", "is not weightscope/bits_rank/1; give a file that bits rank wrote");
        if (!document_.contains("all_records"))
            refuse("all_records", "is missing, which putting shards together needs; rank with --shard or --save-all-records");
        saved_bit_ranking result;
        bit_ranking& r = result.ranking;
        rank_bits_options& o = r.options;
        const auto& meta = member(document_, "meta", "");
        result.context = {.model = text(meta, "model"),
                          .format = text(meta, "format"),
                          .restricted = member(meta, "restrict", "meta").get<std::vector<std::string>>(),
                          .num_val_batches = whole(meta, "num_val_batches"),
                          .eval_seq_len = whole(meta, "eval_seq_len"),
                          .weights_file = member(meta, "weights_source_file", "meta").is_null() ? std::string() : text(meta, "weights_source_file"),
                          .notes = member(document_, "notes", "").get<std::vector<std::string>>()};
        r.fingerprint = text(meta, "fingerprint");
        o.bits = text(meta, "bitset_mode");
        const std::string search = text(meta, "search_mode");
        if (search == "sample")
            refuse("meta.search_mode", "is sample, which has no shards");
        o.search = search == "progressive" ? bit_search::progressive : bit_search::independent;
        r.metrics = member(meta, "recorded_metrics", "meta").get<std::vector<std::string>>();
        o.metric = text(meta, "eval_metric");
        o.metrics.assign(r.metrics.begin() + (r.metrics.empty() ? 0 : 1), r.metrics.end());
        r.maximized = text(meta, "goal") == "maximize";
        o.goal = r.maximized ? bit_goal::maximize : bit_goal::minimize;
        r.start = number(meta, "original_metric_score");
        r.best = number(meta, "best_metric_score");
        o.top_b = whole(meta, "top_b");
        o.go_on = flag(meta, "go_on");
        o.flips_per_weight = whole(meta, "flips_per_weight");
        o.crashes_first = flag(meta, "crashes_first");
        o.shard = whole(meta, "shard");
        o.shard_count = whole(meta, "shard_count");
        r.candidate_count = whole(meta, "num_candidates");
        r.all_candidate_count = whole(meta, "num_candidates_all");
        r.evaluations = whole(meta, "num_flips_evaluated");
        r.counts.losses = whole(meta, "losses");
        r.counts.measures = whole(meta, "measures");
        r.seconds = number(meta, "seconds");
        const auto& baseline = member(document_, "baseline_metrics", "");
        for (const auto& figure : member(document_, "metrics", "")) {
            const std::string name = text(figure, "name");
            const double value = number(baseline, name.c_str());
            r.baseline.push_back({name, flag(figure, "higher_is_better"), metric(value)});
        }
        for (std::size_t i = 0; i < r.outcomes.size(); ++i)
            r.outcomes[i] = whole(member(document_, "outcomes", ""), std::string(to_string(static_cast<bit_trial_outcome>(i))).c_str());
        for (const auto& record : document_["all_records"])
            r.trials.push_back(trial(record, r.trials.size(), r.metrics));
        return result;
    }

private:
    [[noreturn]] void refuse(std::string field, std::string_view fault) const { throw io_error(path_, std::nullopt, std::move(field), fault); }

    const nlohmann::ordered_json& member(const nlohmann::ordered_json& object, const char* name, const char* around) const
    {
        const std::string place = *around ? fmt::format("{}.{}", around, name) : std::string(name);
        if (!object.is_object() || !object.contains(name))
            refuse(place, "is missing; rank the flips again");
        return object.at(name);
    }
    std::string text(const nlohmann::ordered_json& object, const char* name) const
    {
        const auto& value = member(object, name, "");
        if (!value.is_string())
            refuse(name, "is no text; rank the flips again");
        return value.get<std::string>();
    }
    std::size_t whole(const nlohmann::ordered_json& object, const char* name) const
    {
        const auto& value = member(object, name, "");
        if (!value.is_number_unsigned())
            refuse(name, "is no whole number of 0 or more; rank the flips again");
        return static_cast<std::size_t>(value.get<std::uint64_t>());
    }
    bool flag(const nlohmann::ordered_json& object, const char* name) const
    {
        const auto& value = member(object, name, "");
        if (!value.is_boolean())
            refuse(name, "is not true or false; rank the flips again");
        return value.get<bool>();
    }
    double number(const nlohmann::ordered_json& object, const char* name) const
    {
        const auto& value = member(object, name, "");
        if (value.is_null())
            return std::numeric_limits<double>::quiet_NaN();
        if (!value.is_number())
            refuse(name, "is no number; rank the flips again");
        return value.get<double>();
    }

    bit_trial trial(const nlohmann::ordered_json& record, std::size_t index, const std::vector<std::string>& metrics) const
    {
        const std::string place = fmt::format("all_records[{}]", index);
        bit_trial result{.flip = bit_entry_reader(nlohmann::json(record), path_, place).read(),
                         .weight_score = number(record, "weight_score"),
                         .candidate = whole(record, "candidate"),
                         .tensor = whole(record, "tensor"),
                         .step = whole(record, "step")};
        const std::string outcome = text(record, "outcome");
        std::size_t kind = 0;
        while (kind < bit_trial_outcome_count && to_string(static_cast<bit_trial_outcome>(kind)) != outcome)
            ++kind;
        if (kind == bit_trial_outcome_count)
            refuse(place + ".outcome", "is none that is known; rank the flips again");
        result.outcome = static_cast<bit_trial_outcome>(kind);
        if (!member(record, "flipped_metrics", "").empty())
            for (const std::string& name : metrics) {
                result.values.push_back(number(record["flipped_metrics"], name.c_str()));
                result.deltas.push_back(number(member(record, "delta", ""), name.c_str()));
            }
        if (result.outcome == bit_trial_outcome::finite && result.values.empty())
            refuse(place, "has no figures; rank the flips again");
        return result;
    }

    const std::filesystem::path& path_;
    nlohmann::ordered_json document_;
};

}  // namespace detail

/// Reads what to_json(bit_ranking) gives, with all its records, so that shards can be put together.
///
/// @throws io_error  the file cannot be read, is no such document, or lacks its records
[[nodiscard]] inline saved_bit_ranking read_bit_ranking(const std::filesystem::path& path)
{
    return detail::bit_ranking_reader(path).read();
}

}  // namespace weightscope
