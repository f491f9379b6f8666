#include "rule_arguments.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <weightscope/report/rules.hpp>

#include "arguments.hpp"
#include "command.hpp"

using weightscope::severity;

namespace {

std::optional<severity> level_of(std::string_view name)
{
    for (const severity level : {severity::info, severity::warning, severity::critical})
        if (name == to_string(level))
            return level;
    return std::nullopt;
}

std::vector<weightscope::rule> with_threshold(std::vector<weightscope::rule> rules, const std::string& text)
{
    const auto refuse = [&](std::string_view what) {
        throw usage_error(
            fmt::format("--threshold: '{}' {}; write RULE.LEVEL=LIMIT, as outliers.warning=2 or outliers.warning=none",
                        text, what));
    };
    const std::size_t equals = text.find('='), dot = text.rfind('.', equals);
    if (equals == std::string::npos || dot == std::string::npos)
        refuse("lacks a '.' or a '='");
    const std::string id = text.substr(0, dot), level_name = text.substr(dot + 1, equals - dot - 1),
                      number = text.substr(equals + 1);

    std::string known;
    for (const weightscope::rule& r : rules)
        known += (known.empty() ? "" : ", ") + r.id;
    if (std::none_of(rules.begin(), rules.end(), [&](const weightscope::rule& r) { return r.id == id; }))
        refuse(fmt::format("names none of the rules {}", known));
    const auto level = level_of(level_name);
    if (!level)
        refuse(fmt::format("names the level '{}', expected info, warning or critical", level_name));
    double limit = 0;
    if (number != "none" && (!CLI::detail::lexical_cast(number, limit) || !std::isfinite(limit)))
        refuse(fmt::format("has the limit '{}', expected a number or none", number));
    return override_threshold(std::move(rules), id, *level, number == "none" ? std::nullopt : std::optional(limit));
}

}  // namespace

void add_rule_arguments(CLI::App& sub, rule_arguments& arguments)
{
    add_choice(sub, "--preset", arguments.preset, {"default", "classic"}, "the rules to judge by");
    add_list(sub, "--threshold", arguments.thresholds, "RULE.LEVEL=LIMIT",
             "change a limit of a rule; LIMIT is a number or none (repeatable)");
}

std::vector<weightscope::rule> rules_of(const rule_arguments& arguments)
{
    auto rules = arguments.preset == "classic" ? weightscope::classic_rules() : weightscope::default_rules();
    for (const std::string& threshold : arguments.thresholds)
        rules = with_threshold(std::move(rules), threshold);
    return rules;
}
