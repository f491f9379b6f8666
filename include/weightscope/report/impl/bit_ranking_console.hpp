#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_ranking_console.hpp>
#include <weightscope/report/bit_selection_console.hpp>
#include <weightscope/report/model_quality_console.hpp>
#include <weightscope/report/text_layout.hpp>
#include <weightscope/scorers/bit_failing_share_result.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/bit_share.hpp>

namespace weightscope {

namespace detail {

inline std::string bit_outcomes_text(const bit_ranking& ranking)
{
    std::string text;
    for (std::size_t i = 0; i < ranking.outcomes.size(); ++i)
        if (ranking.outcomes[i] > 0)
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", ranking.outcomes[i], to_string(static_cast<bit_trial_outcome>(i)));
    return text;
}

WEIGHTSCOPE_INLINE text_table flips_quality_table(const flips_quality& quality, const std::vector<std::string>& names)
{
    text_table table{.headings = {fmt::format("measured on {} batches", quality.batches)}};
    table.headings.insert(table.headings.end(), quality_headings().begin(), quality_headings().end());
    const auto add = [&](const std::string& name, const model_quality& q, bool changed) {
        auto& row = table.rows.emplace_back(std::vector<std::string>{name});
        for (std::string& cell : quality_cells(q, changed))
            row.push_back(std::move(cell));
    };
    add("without flips", quality.before, false);
    for (std::size_t i = 0; i < std::min(names.size(), quality.after.size()); ++i)
        add(names[i], quality.after[i], true);
    return table;
}

WEIGHTSCOPE_INLINE std::vector<std::string> flip_set_names(const bit_ranking& ranking, std::size_t count)
{
    std::vector<std::string> names = {"with the plan"};
    for (std::size_t i = 0; i < std::min(count, ranking.ranked.size()); ++i)
        names.push_back(fmt::format(fmt::runtime(ranking.options.search == bit_search::progressive ? "after step {}" : "rank {} alone"), ranking.ranked[i].step));
    return names;
}

WEIGHTSCOPE_INLINE std::vector<std::string> bit_ranking_sentences(const bit_ranking& ranking)
{
    const std::string before = ranking.options.after.empty() ? "unchanged model: " : fmt::format("with {} flips made first: ", ranking.options.after.size());
    std::string figures;
    for (const named_metric& figure : ranking.baseline)
        figures += fmt::format("{}{} {}", figures.empty() ? before : ", ", figure.name, figure.value.exists() ? bit_number_text(figure.value.value) : "-");
    return {figures, fmt::format("{} flips of {} weights run in {:.3g} s: {}", ranking.evaluations, ranking.candidate_count, ranking.seconds, bit_outcomes_text(ranking))};
}

WEIGHTSCOPE_INLINE text_table ranked_flips_table(const bit_ranking& ranking, std::size_t count)
{
    const bool greedy = ranking.options.search == bit_search::progressive;
    text_table table{.headings = {greedy ? "step: weight" : "rank: weight", "bit", "old", "new", ranking.metrics.front(), "change"}};
    for (std::size_t i = 0; i < std::min(count, ranking.ranked.size()); ++i) {
        const ranked_flip& r = ranking.ranked[i];
        const bool finite = r.outcome == bit_trial_outcome::finite;
        table.rows.push_back({fmt::format("{}: {}[{}]{}", r.step, harmless(r.flip.name), r.flip.flat, r.flip.part == "code" ? "" : " " + r.flip.part),
                              fmt::format("{}", r.flip.bit), bit_number_text(r.flip.old_value.value_or(0)), bit_number_text(r.flip.new_value.value_or(0)),
                              bit_number_text(r.after), finite ? fmt::format("{:+.4g}", r.delta) : std::string(to_string(r.outcome))});
    }
    return table;
}

WEIGHTSCOPE_INLINE std::string bit_ranking_outcome(const bit_ranking& ranking)
{
    if (ranking.plan.size() == ranking.options.after.size())
        return fmt::format("no flip moves {} {}", ranking.metrics.front(), ranking.maximized ? "up" : "down");
    const std::size_t chosen = ranking.plan.size() - ranking.options.after.size();
    if (ranking.options.search != bit_search::progressive)
        return fmt::format("{} of these, each alone, move {} {} most", chosen, ranking.metrics.front(), ranking.maximized ? "up" : "down");
    return fmt::format("the plan has {} of these; with it {} is {}", chosen, ranking.metrics.front(), bit_number_text(ranking.best));
}

WEIGHTSCOPE_INLINE std::vector<std::string> failing_share_sentences(const failing_share_result& result)
{
    const auto percent = [](double share) { return fmt::format("{:.3g} %", 100 * share); };
    const auto interval = [&](const share_estimate& share) { return fmt::format("{} to {}", percent(share.lower), percent(share.upper)); };
    std::vector<std::string> sentences = {
        fmt::format("{} of {} flips were drawn: {} fail ({} at {:.0f} % confidence), which is {} by more than {}, or not finite; {} are not finite ({})", result.samples,
                    result.population, percent(result.share.share), interval(result.share), 100 * result.options.confidence, result.ranking.metrics.front(),
                    result.options.threshold, percent(result.crash_share.share), interval(result.crash_share))};
    if (result.mean_change.exists())
        sentences.push_back(fmt::format("the rest change {} by {:.3g} on average", result.ranking.metrics.front(), result.mean_change.value));
    return sentences;
}

WEIGHTSCOPE_INLINE text_table failing_strata_table(const failing_share_result& result, std::size_t count)
{
    const auto percent = [](double share) { return fmt::format("{:.3g} %", 100 * share); };
    std::vector<const failing_stratum*> order;
    for (const failing_stratum& s : result.strata)
        if (s.failing.sample > 0)
            order.push_back(&s);
    std::stable_sort(order.begin(), order.end(), [](const failing_stratum* a, const failing_stratum* b) { return a->share.share > b->share.share; });
    text_table table{.headings = {"tensors", "bit", "drawn", "fail", "interval", "not finite"}};
    for (std::size_t i = 0; i < std::min(count, order.size()); ++i)
        table.rows.push_back({harmless(order[i]->kind) + (order[i]->part == "code" ? "" : " " + order[i]->part), fmt::format("{}", order[i]->bit),
                              fmt::format("{}", order[i]->failing.sample), percent(order[i]->share.share),
                              fmt::format("{} to {}", percent(order[i]->share.lower), percent(order[i]->share.upper)), fmt::format("{}", order[i]->crash_count)});
    return table;
}

WEIGHTSCOPE_INLINE void append_rows(std::string& text, const text_table& table, std::size_t width)
{
    if (!table.rows.empty())
        text += fmt::format("\n{}\n", fmt::join(table.lines(width), "\n"));
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_console(const bit_ranking& ranking, std::size_t width, std::size_t count)
{
    std::string text;
    for (const std::string& sentence : detail::bit_ranking_sentences(ranking))
        text += sentence + "\n";
    detail::append_rows(text, detail::ranked_flips_table(ranking, count), width);
    if (ranking.ranked.size() > count)
        text += fmt::format("and {} more\n", ranking.ranked.size() - count);
    if (ranking.options.search == bit_search::progressive || ranking.plan.size() == ranking.options.after.size())
        text += detail::bit_ranking_outcome(ranking) + "\n";
    if (ranking.quality)
        detail::append_rows(text, detail::flips_quality_table(*ranking.quality, detail::flip_set_names(ranking, count)), width);
    return text;
}

WEIGHTSCOPE_INLINE std::string to_console(const failing_share_result& result, std::size_t width, std::size_t count)
{
    std::string text;
    for (const std::string& sentence : detail::failing_share_sentences(result))
        text += sentence + "\n";
    detail::append_rows(text, detail::failing_strata_table(result, count), width);
    return text;
}

}  // namespace weightscope
