#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <weightscope/report/health_result.hpp>
#include <weightscope/report/scan_result.hpp>

#include "rule_arguments.hpp"

/// What every command that tells the verdict on a scan understands.
struct verdict_arguments
{
    rule_arguments rules;
    std::size_t top_issues = 10;
    std::string fail_on = "never";
};

/// Adds --preset, --threshold, --top-issues and --fail-on to a command.
void add_verdict_arguments(CLI::App& sub, verdict_arguments& arguments);

/// Prints the verdict as it is told on a console.
void tell_verdict(const weightscope::scan_result& scan, const weightscope::health_result& health, const verdict_arguments& arguments);

/// What the tool exits with after this scan; says on stderr which tensors it lost, if it lost any.
[[nodiscard]] int status_of(const weightscope::scan_result& scan, const weightscope::health_result& health, const verdict_arguments& arguments);
