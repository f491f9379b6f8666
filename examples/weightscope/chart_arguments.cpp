#include "chart_arguments.hpp"

#include <cstddef>
#include <string_view>

#include <fmt/format.h>

#include <weightscope/io/printable.hpp>
#include <weightscope/report/chart_files.hpp>

#include "arguments.hpp"
#include "terminal.hpp"

void add_chart_arguments(CLI::App& sub, chart_arguments& arguments)
{
    sub.add_option("--charts", arguments.folder, "draw charts into this folder, with their data as CSV beside")->type_name("DIR");
    add_choice(sub, "--charts-format", arguments.format, {"svg", "png", "both"}, "png needs rsvg-convert");
}

void require_chart_folder(const chart_arguments& arguments)
{
    if (!arguments.folder.empty())
        weightscope::prepare_chart_folder(arguments.folder);
}

void write_charts(const chart_arguments& arguments, std::span<const weightscope::chart> charts, bool quiet)
{
    if (arguments.folder.empty())
        return;
    const auto format = arguments.format == "png"    ? weightscope::chart_format::png
                        : arguments.format == "both" ? weightscope::chart_format::both
                                                     : weightscope::chart_format::svg;
    const auto written = [&] {
        const interrupts_held held;
        return weightscope::write_charts(arguments.folder, charts, format);
    }();
    if (!written.warning.empty())
        print_warning(written.warning);
    if (quiet)
        return;
    std::string text = fmt::format("\nCharts in {}, each with its data as CSV:\n", weightscope::printable(arguments.folder));
    for (const std::string& file : written.files)
        if (!file.ends_with(".csv"))
            text += fmt::format("  {}\n", file);
    print(text);
}
