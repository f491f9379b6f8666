#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <weightscope/report/rule.hpp>

/// What every command that judges understands.
struct rule_arguments
{
    std::string preset = "default";
    std::vector<std::string> thresholds;  ///< "RULE.LEVEL=LIMIT"
};

/// Adds these options to a command.
void add_rule_arguments(CLI::App& sub, rule_arguments& arguments);

/// The rule table that the arguments describe.
/// @throws usage_error  a threshold is not well-formed, or names no rule
[[nodiscard]] std::vector<weightscope::rule> rules_of(const rule_arguments& arguments);
