#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE const std::optional<double>& rule::limit(severity level) const
{
    return level == severity::critical ? critical : level == severity::warning ? warning : info;
}

WEIGHTSCOPE_INLINE std::vector<rule> override_threshold(std::vector<rule> rules, std::string_view id, severity level, std::optional<double> limit)
{
    std::string known;
    for (rule& candidate : rules) {
        if (candidate.id == id) {
            (level == severity::critical  ? candidate.critical
             : level == severity::warning ? candidate.warning
                                          : candidate.info) = limit;
            if (level == severity::critical)
                candidate.worst = nullptr;  // a limit that is set on purpose holds without exception
            return rules;
        }
        known += (known.empty() ? "" : ", ") + candidate.id;
    }
    require(false, "override_threshold(rules, id): there is no rule '{}'; the rules are {}", id, known);
    return rules;
}

}  // namespace weightscope
