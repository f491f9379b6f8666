#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/report/bit_selection_console.hpp>
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

}  // namespace detail

/// A ranking for people: the figures before, what became of the flips, and the first `count` of those that were chosen.
[[nodiscard]] inline std::string to_console(const bit_ranking& ranking, std::size_t width = 100, std::size_t count = 20)
{
    const std::string before = ranking.options.after.empty() ? "unchanged model: " : fmt::format("with {} flips made first: ", ranking.options.after.size());
    std::string text;
    for (const named_metric& figure : ranking.baseline)
        text += fmt::format("{}{} {}", text.empty() ? before : ", ", figure.name, figure.value.exists() ? detail::bit_number_text(figure.value.value) : "-");
    text += fmt::format("\n{} flips of {} weights run in {:.3g} s: {}\n", ranking.evaluations, ranking.candidate_count, ranking.seconds,
                        detail::bit_outcomes_text(ranking));
    const bool greedy = ranking.options.search == bit_search::progressive;
    detail::text_table table{.headings = {greedy ? "step: weight" : "rank: weight", "bit", "old", "new", ranking.metrics.front(), "change"}};
    for (std::size_t i = 0; i < std::min(count, ranking.ranked.size()); ++i) {
        const ranked_flip& r = ranking.ranked[i];
        const bool finite = r.outcome == bit_trial_outcome::finite;
        table.rows.push_back({fmt::format("{}: {}[{}]{}", r.step, detail::harmless(r.flip.name), r.flip.flat, r.flip.part == "code" ? "" : " " + r.flip.part),
                              fmt::format("{}", r.flip.bit), detail::bit_number_text(r.flip.old_value.value_or(0)),
                              detail::bit_number_text(r.flip.new_value.value_or(0)), detail::bit_number_text(r.after),
                              finite ? fmt::format("{:+.4g}", r.delta) : std::string(to_string(r.outcome))});
    }
    if (!table.rows.empty())
        text += fmt::format("\n{}\n", fmt::join(table.lines(width), "\n"));
    if (ranking.ranked.size() > count)
        text += fmt::format("and {} more\n", ranking.ranked.size() - count);
    const char* way = ranking.maximized ? "up" : "down";
    if (ranking.plan.size() == ranking.options.after.size())
        text += fmt::format("no flip moves {} {}\n", ranking.metrics.front(), way);
    else if (greedy)
        text += fmt::format("the plan has {} of these; with it {} is {}\n", ranking.plan.size() - ranking.options.after.size(), ranking.metrics.front(), detail::bit_number_text(ranking.best));
    return text;
}

/// The share of flips that fail for people, by bit and kind of tensor.
[[nodiscard]] inline std::string to_console(const failing_share_result& result, std::size_t width = 100, std::size_t count = 20)
{
    const auto percent = [](double share) { return fmt::format("{:.3g} %", 100 * share); };
    const auto interval = [&](const share_estimate& share) { return fmt::format("{} to {}", percent(share.lower), percent(share.upper)); };
    std::string text = fmt::format("{} of {} flips were drawn: {} fail ({} at {:.0f} % confidence), which is {} by more than {}, or not finite; {} are not "
                                   "finite ({})\n",
                                   result.samples, result.population, percent(result.share.share), interval(result.share), 100 * result.options.confidence,
                                   result.ranking.metrics.front(), result.options.threshold, percent(result.crash_share.share), interval(result.crash_share));
    if (result.mean_change.exists())
        text += fmt::format("the rest change {} by {:.3g} on average\n", result.ranking.metrics.front(), result.mean_change.value);
    std::vector<const failing_stratum*> order;
    for (const failing_stratum& s : result.strata)
        if (s.failing.sample > 0)
            order.push_back(&s);
    std::stable_sort(order.begin(), order.end(), [](const failing_stratum* a, const failing_stratum* b) { return a->share.share > b->share.share; });
    detail::text_table table{.headings = {"tensors", "bit", "drawn", "fail", "interval", "not finite"}};
    for (std::size_t i = 0; i < std::min(count, order.size()); ++i)
        table.rows.push_back({detail::harmless(order[i]->kind) + (order[i]->part == "code" ? "" : " " + order[i]->part), fmt::format("{}", order[i]->bit), fmt::format("{}", order[i]->failing.sample),
                              percent(order[i]->share.share), interval(order[i]->share), fmt::format("{}", order[i]->crash_count)});
    if (!table.rows.empty())
        text += fmt::format("\n{}\n", fmt::join(table.lines(width), "\n"));
    return text;
}

}  // namespace weightscope
