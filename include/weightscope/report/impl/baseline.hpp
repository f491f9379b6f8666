#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/baseline.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::size_t baseline_comparison::count(finding_state state) const
{
    return static_cast<std::size_t>(std::count(states.begin(), states.end(), state));
}

WEIGHTSCOPE_INLINE baseline_comparison compare_findings(const health_result& now, const health_result& before)
{
    std::map<std::pair<std::string_view, std::string_view>, std::vector<const finding*>> known;
    for (const finding& f : before.findings)
        known[{f.rule_id, f.layer}].push_back(&f);
    baseline_comparison result;
    for (const finding& f : now.findings) {
        const auto found = known.find({f.rule_id, f.layer});
        if (found == known.end() || found->second.empty()) {
            result.states.push_back(finding_state::added);
            continue;
        }
        const severity then = found->second.front()->level;
        found->second.erase(found->second.begin());
        result.states.push_back(f.level > then ? finding_state::worse : f.level < then ? finding_state::milder : finding_state::known);
    }
    for (const finding& f : before.findings) {
        auto& left = known.at({f.rule_id, f.layer});
        if (std::find(left.begin(), left.end(), &f) != left.end())
            result.resolved.push_back(f);
    }
    return result;
}

WEIGHTSCOPE_INLINE std::size_t count_failing(const health_result& health, severity least, const std::optional<baseline_comparison>& baseline)
{
    std::size_t count = 0;
    for (std::size_t i = 0; i < health.findings.size(); ++i)
        count += health.findings[i].level >= least && (!baseline || baseline->is_news(i));
    return count;
}

}  // namespace weightscope
