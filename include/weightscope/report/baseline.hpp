#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/report/health_result.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope {

/// What a finding is beside an earlier verdict.
enum class finding_state
{
    known,   ///< the same rule fired on the same layer, as severely
    milder,  ///< it fired there, and more severely
    worse,   ///< it fired there, and less severely
    added    ///< it did not fire there
};

/// "known", "milder", "worse" or "new".
[[nodiscard]] constexpr std::string_view to_string(finding_state state)
{
    constexpr std::array<std::string_view, 4> names = {"known", "milder", "worse", "new"};
    return names[static_cast<std::size_t>(state)];
}

/// A verdict beside an earlier one.
struct baseline_comparison
{
    std::string path = {};                   ///< of the scan that the earlier verdict is on, for reports
    std::vector<finding_state> states = {};  ///< of the findings now, in their order
    std::vector<finding> resolved = {};      ///< findings then that are none now

    [[nodiscard]] std::size_t count(finding_state state) const
    {
        return static_cast<std::size_t>(std::count(states.begin(), states.end(), state));
    }

    /// Whether a finding is one that the earlier verdict does not excuse: new, or worse than it was.
    [[nodiscard]] bool is_news(std::size_t i) const { return states[i] == finding_state::added || states[i] == finding_state::worse; }
};

/// Sets the findings of two verdicts side by side: a finding is the same one where its rule and its layer are. Where a layer's name
/// stands several times, its findings are paired in their order.
///
/// @param now     the verdict that is wanted
/// @param before  an earlier one, by the same rules if the models are what shall be compared
/// @return        see baseline_comparison
[[nodiscard]] inline baseline_comparison compare_findings(const health_result& now, const health_result& before)
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

/// How many findings are as severe as `least` or more, and not excused by the earlier verdict where there is one: what a gate counts.
[[nodiscard]] inline std::size_t count_failing(const health_result& health, severity least, const std::optional<baseline_comparison>& baseline = std::nullopt)
{
    std::size_t count = 0;
    for (std::size_t i = 0; i < health.findings.size(); ++i)
        count += health.findings[i].level >= least && (!baseline || baseline->is_news(i));
    return count;
}

}  // namespace weightscope
