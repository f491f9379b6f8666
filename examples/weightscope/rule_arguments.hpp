#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <weightscope/report/layer_change.hpp>
#include <weightscope/report/rule.hpp>

/// What every command that judges understands.
struct rule_arguments
{
    std::string preset = "default";
    std::vector<std::string> thresholds;  ///< "RULE.LEVEL=LIMIT"
    std::string threshold_file;           ///< JSON; empty is none
};

/// Adds --threshold and --thresholds to a command.
void add_threshold_arguments(CLI::App& sub, rule_arguments& arguments);

/// Adds these and --preset to a command.
void add_rule_arguments(CLI::App& sub, rule_arguments& arguments);

/// The rule table that the arguments describe.
/// @throws usage_error            a threshold is not well-formed, or names no rule
/// @throws weightscope::io_error  the file of thresholds cannot be read, or is not valid
[[nodiscard]] std::vector<weightscope::rule> rules_of(const rule_arguments& arguments);

/// The same of rules about changes; `rules` are the defaults.
[[nodiscard]] std::vector<weightscope::change_rule> change_rules_of(std::vector<weightscope::change_rule> rules, const rule_arguments& arguments);
