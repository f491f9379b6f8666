#include "rule_arguments.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/io/json_document.hpp>
#include <weightscope/io/printable.hpp>
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

template <class Rule>
std::string names_of(const std::vector<Rule>& rules)
{
    std::string known;
    for (const Rule& r : rules)
        known += (known.empty() ? "" : ", ") + r.id;
    return known;
}

template <class Rule>
bool has_rule(const std::vector<Rule>& rules, std::string_view id)
{
    return std::any_of(rules.begin(), rules.end(), [&](const Rule& r) { return r.id == id; });
}

template <class Rule>
std::vector<Rule> with_threshold(std::vector<Rule> rules, const std::string& text)
{
    const auto refuse = [&](std::string_view what) {
        throw usage_error(
            fmt::format("--threshold: '{}' {}; write RULE.LEVEL=LIMIT, as {}.warning=2 or {}.warning=none", text, what,
                        has_rule(rules, "outliers") ? "outliers" : rules.back().id, has_rule(rules, "outliers") ? "outliers" : rules.back().id));
    };
    const std::size_t equals = text.find('='), dot = text.rfind('.', equals);
    if (equals == std::string::npos || dot == std::string::npos)
        refuse("lacks a '.' or a '='");
    const std::string id = text.substr(0, dot), level_name = text.substr(dot + 1, equals - dot - 1),
                      number = text.substr(equals + 1);
    if (!has_rule(rules, id))
        refuse(fmt::format("names none of the rules {}", names_of(rules)));
    const auto level = level_of(level_name);
    if (!level)
        refuse(fmt::format("names the level '{}', expected info, warning or critical", level_name));
    double limit = 0;
    if (number != "none" && (!CLI::detail::lexical_cast(number, limit) || !std::isfinite(limit)))
        refuse(fmt::format("has the limit '{}', expected a number or none", number));
    return override_threshold(std::move(rules), id, *level, number == "none" ? std::nullopt : std::optional(limit));
}

// {"outliers": {"warning": 2, "critical": null}, ...}
template <class Rule>
std::vector<Rule> with_file(std::vector<Rule> rules, const std::string& path)
{
    const auto refuse = [&](const std::string& field, const std::string& what) {
        throw weightscope::io_error(path, std::nullopt, weightscope::printable(field), what);
    };
    const nlohmann::json document = weightscope::detail::read_json_document(path);
    if (!document.is_object())
        refuse("", R"(is no object; write {"RULE": {"warning": LIMIT, "critical": null}})");
    for (const auto& [id, limits] : document.items()) {
        if (!has_rule(rules, id))
            refuse(id, fmt::format("names none of the rules {}", names_of(rules)));
        if (!limits.is_object())
            refuse(id, R"(is no object; write {"warning": LIMIT, "critical": null})");
        for (const auto& [name, limit] : limits.items()) {
            const auto level = level_of(name);
            if (!level)
                refuse(id + "." + name, "is no level; expected info, warning or critical");
            if (!limit.is_number() && !limit.is_null())
                refuse(id + "." + name, "is no limit; expected a number, or null for none");
            rules = override_threshold(std::move(rules), id, *level, limit.is_null() ? std::nullopt : std::optional(limit.template get<double>()));
        }
    }
    return rules;
}

template <class Rule>
std::vector<Rule> changed(std::vector<Rule> rules, const rule_arguments& arguments)
{
    if (!arguments.threshold_file.empty())
        rules = with_file(std::move(rules), arguments.threshold_file);
    for (const std::string& threshold : arguments.thresholds)
        rules = with_threshold(std::move(rules), threshold);
    return rules;
}

}  // namespace

void add_threshold_arguments(CLI::App& sub, rule_arguments& arguments)
{
    add_list(sub, "--threshold", arguments.thresholds, "RULE.LEVEL=LIMIT",
             "change a limit of a rule; LIMIT is a number or none (repeatable)");
    sub.add_option("--thresholds", arguments.threshold_file,
                   R"(change limits of rules by a file, {"outliers": {"warning": 2, "critical": null}}; --threshold comes after it)")
        ->type_name("FILE.json");
}

void add_rule_arguments(CLI::App& sub, rule_arguments& arguments)
{
    add_choice(sub, "--preset", arguments.preset, {"default", "classic", "heavy-tail"}, "the rules to judge by");
    add_threshold_arguments(sub, arguments);
}

std::vector<weightscope::rule> rules_of(const rule_arguments& arguments)
{
    auto rules = arguments.preset == "classic"      ? weightscope::classic_rules()
                 : arguments.preset == "heavy-tail" ? weightscope::heavy_tail_rules()
                                                    : weightscope::default_rules();
    return changed(std::move(rules), arguments);
}

std::vector<weightscope::change_rule> change_rules_of(std::vector<weightscope::change_rule> rules, const rule_arguments& arguments)
{
    return changed(std::move(rules), arguments);
}
