#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/baseline_report.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const baseline_comparison& baseline, const health_result& health)
{
    using nlohmann::ordered_json;
    require(baseline.states.size() == health.findings.size(), "to_json(baseline, health): the baseline tells of {} findings, the verdict has {}",
            baseline.states.size(), health.findings.size());
    const auto short_of = [](const finding& f) {
        return ordered_json{{"rule", f.rule_id}, {"layer", f.layer.empty() ? ordered_json(nullptr) : ordered_json(f.layer)}, {"severity", to_string(f.level)}};
    };
    ordered_json news = ordered_json::array(), resolved = ordered_json::array();
    for (std::size_t i = 0; i < health.findings.size(); ++i)
        if (baseline.is_news(i)) {
            news.push_back(short_of(health.findings[i]));
            detail::append_member(news.back(), "state", to_string(baseline.states[i]));
        }
    for (const finding& f : baseline.resolved)
        resolved.push_back(short_of(f));
    return {{"path", baseline.path},
            {"new_count", baseline.count(finding_state::added)},
            {"worse_count", baseline.count(finding_state::worse)},
            {"milder_count", baseline.count(finding_state::milder)},
            {"known_count", baseline.count(finding_state::known)},
            {"resolved_count", baseline.resolved.size()},
            {"new", std::move(news)},
            {"resolved", std::move(resolved)}};
}

WEIGHTSCOPE_INLINE std::string to_console(const baseline_comparison& baseline, const health_result& health, const console_options& options)
{
    require(options.width >= 60 && options.width <= 200, "to_console(baseline, health, options): options.width is {}, expected 60 to 200", options.width);
    require(baseline.states.size() == health.findings.size(),
            "to_console(baseline, health, options): the baseline tells of {} findings, the verdict has {}", baseline.states.size(), health.findings.size());
    const detail::console_style style{options.color};
    std::string text;
    detail::append_wrapped(text,
                           fmt::format("Against {}: {} new, {} worse, {} known, {} resolved", detail::harmless(baseline.path),
                                       baseline.count(finding_state::added), baseline.count(finding_state::worse),
                                       baseline.count(finding_state::known) + baseline.count(finding_state::milder), baseline.resolved.size()),
                           options.width, 0, [&](std::string_view line) { return style.bold(line); });
    std::size_t told = 0, more = 0;
    const auto tell = [&](std::string_view state, const finding& f) {
        if (told++ < options.top_issues)
            text += fmt::format("  {}{}  {}\n", style.of(f.level, detail::padded(fmt::format("{} {}", state, to_string(f.level)), 18, false)),
                                detail::shortened(f.layer.empty() ? "the model" : detail::harmless(f.layer), options.width - 50),
                                detail::shortened(detail::harmless(f.rule_id), 28));
        else
            ++more;
    };
    const auto end = [&] {
        if (more > 0)
            text += fmt::format("  and {} more\n", more);
        told = more = 0;
    };
    for (std::size_t i = 0; i < health.findings.size(); ++i)
        if (baseline.is_news(i))
            tell(to_string(baseline.states[i]), health.findings[i]);
    end();
    for (const finding& f : baseline.resolved)
        tell("resolved", f);
    end();
    return text;
}

}  // namespace weightscope
