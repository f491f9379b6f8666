#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
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

    [[nodiscard]] std::size_t count(finding_state state) const;

    /// Whether a finding is one that the earlier verdict does not excuse: new, or worse than it was.
    [[nodiscard]] bool is_news(std::size_t i) const { return states[i] == finding_state::added || states[i] == finding_state::worse; }
};

/// Sets the findings of two verdicts side by side: a finding is the same one where its rule and its layer are. Where a layer's name
/// stands several times, its findings are paired in their order.
///
/// @param now     the verdict that is wanted
/// @param before  an earlier one, by the same rules if the models are what shall be compared
/// @return        see baseline_comparison
[[nodiscard]] WEIGHTSCOPE_INLINE baseline_comparison compare_findings(const health_result& now, const health_result& before);

/// How many findings are as severe as `least` or more, and not excused by the earlier verdict where there is one: what a gate counts.
[[nodiscard]] WEIGHTSCOPE_INLINE std::size_t count_failing(const health_result& health, severity least,
                                                           const std::optional<baseline_comparison>& baseline = std::nullopt);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/baseline.hpp>
#endif
