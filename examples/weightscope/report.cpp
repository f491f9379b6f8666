#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/version.hpp>
#include <weightscope/report/chart_files.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/plot_scan.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_reader.hpp>

#include "arguments.hpp"
#include "chart_arguments.hpp"
#include "command.hpp"
#include "verdict_arguments.hpp"

namespace {

struct report_arguments
{
    std::string scan;    // JSON
    std::string output;  // JSON; "-" is stdout, empty is none
    std::string csv;
    bool quiet = false;
    verdict_arguments verdict;
    chart_arguments charts;

    std::vector<output_argument> outputs() const
    {
        std::vector<output_argument> all = verdict.outputs();
        all.insert(all.begin(), {{"--output", output}, {"--csv", csv}});
        return wanted_outputs(std::move(all));
    }
};

int run_report(const report_arguments& arguments)
{
    const std::vector<weightscope::rule> rules = rules_of(arguments.verdict.rules);
    const std::vector<output_argument> outputs = arguments.outputs();
    for (const output_argument& output : outputs)
        if (std::error_code error; std::filesystem::equivalent(output.target, arguments.scan, error))
            throw usage_error(fmt::format("{}: is the saved scan itself; name another file for the result", output.target));
    require_outputs(outputs);
    require_chart_folder(arguments.charts);
    const auto baseline = read_baseline(arguments.verdict);
    const weightscope::scan_result scan = weightscope::read_scan(arguments.scan);
    const verdict v = verdict_on(scan, baseline, rules, arguments.verdict);
    if (!arguments.csv.empty())
        write_output(arguments.csv, to_csv(scan));
    if (!arguments.output.empty())
        write_output(arguments.output, document_of(scan, v));
    write_verdict(scan, v, arguments.verdict);
    const bool silent = arguments.quiet || uses_stdout(outputs);
    if (!silent)
        tell_verdict(scan, v, arguments.verdict);
    if (!arguments.charts.folder.empty())
        write_charts(arguments.charts, plot_scan(scan, v.health), silent);
    return status_of(scan, v, arguments.verdict);
}

}  // namespace

void add_report(CLI::App& tool, command& chosen)
{
    CLI::App* sub = tool.add_subcommand("report", "Tells the verdict on a saved scan again, by other rules where wanted, and draws charts and a page of it.");
    const auto arguments = std::make_shared<report_arguments>();
    report_arguments& a = *arguments;
    sub->set_version_flag("--version", std::string(weightscope::version), "print the version");
    sub->add_option("SCAN.json", a.scan, "what weightscope scan --output wrote")->required()->type_name("");
    sub->add_option("--output", a.output, "write the scan with this verdict as JSON; - is stdout")->type_name("FILE.json");
    sub->add_option("--csv", a.csv, "write a table with one row per tensor; - is stdout")->type_name("FILE");
    sub->add_flag("--quiet", a.quiet, "print nothing but errors");
    add_verdict_arguments(*sub, a.verdict);
    add_chart_arguments(*sub, a.charts);
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_report(*arguments); }; });
}
