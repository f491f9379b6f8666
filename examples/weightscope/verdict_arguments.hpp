#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <weightscope/report/baseline.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>

#include "arguments.hpp"
#include "rule_arguments.hpp"

/// What every command that tells the verdict on a scan understands.
struct verdict_arguments
{
    rule_arguments rules;
    std::size_t top_issues = 10;
    std::string fail_on = "never";
    std::string baseline;                            ///< a saved scan, or empty
    std::string html, markdown, sarif, junit, plans;  ///< "-" is stdout, empty is none
    std::string tables;                              ///< a folder, empty is none

    [[nodiscard]] std::vector<output_argument> outputs() const;
};

/// A verdict, and how it stands to that on an earlier scan where one is given.
struct verdict
{
    weightscope::health_result health;
    std::optional<weightscope::baseline_comparison> baseline;
};

/// Adds --preset, --threshold, --top-issues, --fail-on, --baseline, --html, --markdown, --tables, --sarif, --junit and --plans to a command.
void add_verdict_arguments(CLI::App& sub, verdict_arguments& arguments);

/// The scan that --baseline names, before hours of work are spent on the other one; a folder for --tables is made.
/// @throws weightscope::io_error     it cannot be read
/// @throws weightscope::write_error  nothing can be written to the folder
[[nodiscard]] std::optional<weightscope::scan_result> read_baseline(const verdict_arguments& arguments);

/// Judges both scans by the same rules, so that what differs is the models.
[[nodiscard]] verdict verdict_on(const weightscope::scan_result& scan, const std::optional<weightscope::scan_result>& baseline,
                                 const std::vector<weightscope::rule>& rules, const verdict_arguments& arguments);

/// The scan and its verdict as the document that --output names.
[[nodiscard]] std::string document_of(const weightscope::scan_result& scan, const verdict& v);

/// Writes the files that the arguments name.
/// @throws weightscope::write_error
void write_verdict(const weightscope::scan_result& scan, const verdict& v, const verdict_arguments& arguments);

/// Prints the verdict as it is told on a console.
void tell_verdict(const weightscope::scan_result& scan, const verdict& v, const verdict_arguments& arguments);

/// What the tool exits with after this scan; says on stderr which tensors it lost, if it lost any.
[[nodiscard]] int status_of(const weightscope::scan_result& scan, const verdict& v, const verdict_arguments& arguments);
