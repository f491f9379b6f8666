#pragma once

#include <span>
#include <string>

#include <CLI/CLI.hpp>

#include <weightscope/report/chart_result.hpp>

/// What every command that draws understands.
struct chart_arguments
{
    std::string folder;  ///< empty: nothing is drawn
    std::string format = "svg";
};

/// Adds --charts and --charts-format to a command.
void add_chart_arguments(CLI::App& sub, chart_arguments& arguments);

/// Refuses a folder that charts cannot be written to, before hours of work are spent on them.
/// @throws weightscope::write_error
void require_chart_folder(const chart_arguments& arguments);

/// Writes charts, if any are wanted, and unless `quiet` says on stdout which.
/// @throws weightscope::write_error
void write_charts(const chart_arguments& arguments, std::span<const weightscope::chart> charts, bool quiet);
