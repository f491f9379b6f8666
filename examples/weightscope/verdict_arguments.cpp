#include "verdict_arguments.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/io/printable.hpp>
#include <weightscope/report/baseline_report.hpp>
#include <weightscope/report/chart_files.hpp>
#include <weightscope/report/compression_plan.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/document_csv.hpp>
#include <weightscope/report/html.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/junit.hpp>
#include <weightscope/report/markdown.hpp>
#include <weightscope/report/plans_json.hpp>
#include <weightscope/report/quantization_plan.hpp>
#include <weightscope/report/sarif.hpp>
#include <weightscope/report/scan_document.hpp>
#include <weightscope/report/scan_reader.hpp>

#include "command.hpp"
#include "terminal.hpp"

namespace {

// Says which tensors the scan lost, if it lost any.
// Says on stderr what the scan lost, shards or tensors, and whether that is anything.
bool tell_lost(const weightscope::scan_result& scan)
{
    const std::vector<std::string>& shards = scan.model.lost_shards;
    if (!shards.empty())
        print_error(fmt::format("{}: {} lost, {}{}; the result holds the others", scan.model.path,
                                shards.size() == 1 ? "1 shard is" : fmt::format("{} shards are", shards.size()), shards.front(),
                                shards.size() > 1 ? " first" : ""));
    const auto lost = [](const weightscope::layer_result& layer) { return !layer.error.empty(); };
    const auto count = static_cast<std::size_t>(std::count_if(scan.layers.begin(), scan.layers.end(), lost));
    if (count == 0)
        return !shards.empty();
    const auto& first = *std::find_if(scan.layers.begin(), scan.layers.end(), lost);
    print_error(fmt::format("{}: {} of {} tensors could not be analysed, '{}' first: {}{}", scan.model.path, count,
                            scan.layers.size(), weightscope::printable(first.name), first.error,
                            count < scan.layers.size() ? "; the result holds the others" : ""));
    return true;
}

std::optional<weightscope::severity> gate_of(const verdict_arguments& arguments)
{
    return arguments.fail_on == "critical"  ? std::optional(weightscope::severity::critical)
           : arguments.fail_on == "warning" ? std::optional(weightscope::severity::warning)
                                            : std::nullopt;
}

weightscope::console_options console_of(const verdict_arguments& arguments)
{
    return {.width = std::clamp<std::size_t>(terminal_width(), 60, 200),
            .color = wants_color(),
            .top_issues = arguments.top_issues,
            .heavy_tails = arguments.rules.preset == "heavy-tail"};
}

}  // namespace

std::vector<output_argument> verdict_arguments::outputs() const
{
    return wanted_outputs({{"--html", html}, {"--markdown", markdown}, {"--sarif", sarif}, {"--junit", junit}, {"--plans", plans}});
}

void add_verdict_arguments(CLI::App& sub, verdict_arguments& arguments)
{
    add_rule_arguments(sub, arguments.rules);
    sub.add_option("--top-issues", arguments.top_issues, "findings to print, and rows of each table (10)")
        ->type_name("N")
        ->check(whole_number(0, 1'000'000'000));
    add_choice(sub, "--fail-on", arguments.fail_on, {"critical", "warning", "never"}, "exit with 1 where a finding is as bad or worse");
    sub.add_option("--baseline", arguments.baseline, "for --fail-on count only findings that this saved scan does not have")->type_name("SCAN.json");
    const auto add_file = [&](const char* name, std::string& target, const char* type, const char* description) {
        sub.add_option(name, target, description)->type_name(type);
    };
    add_file("--html", arguments.html, "FILE.html", "write a page to mail, print or open offline; - is stdout");
    add_file("--markdown", arguments.markdown, "FILE.md", "write the verdict and its tables for a review; - is stdout");
    sub.add_option("--tables", arguments.tables, "write every table into this folder, as CSV: findings, figures that stand out, plans, rules")->type_name("DIR");
    add_file("--sarif", arguments.sarif, "FILE.sarif", "write the findings as SARIF 2.1.0; - is stdout");
    add_file("--junit", arguments.junit, "FILE.xml", "write a test per layer, which fails as --fail-on says; - is stdout");
    add_file("--plans", arguments.plans, "FILE.json", "write the formats and ranks that the scan recommends; - is stdout");
}

std::optional<weightscope::scan_result> read_baseline(const verdict_arguments& arguments)
{
    if (!arguments.tables.empty())
        weightscope::prepare_chart_folder(arguments.tables);
    return arguments.baseline.empty() ? std::nullopt : std::optional(weightscope::read_scan(arguments.baseline));
}

verdict verdict_on(const weightscope::scan_result& scan, const std::optional<weightscope::scan_result>& baseline,
                   const std::vector<weightscope::rule>& rules, const verdict_arguments& arguments)
{
    verdict v{.health = judge(scan, rules), .baseline = std::nullopt};
    if (baseline) {
        v.baseline = compare_findings(v.health, judge(*baseline, rules));
        v.baseline->path = arguments.baseline;
    }
    return v;
}

std::string document_of(const weightscope::scan_result& scan, const verdict& v)
{
    nlohmann::ordered_json document = to_json(scan, v.health);
    if (v.baseline)
        document["baseline"] = to_json(*v.baseline, v.health);
    return weightscope::to_text(document);
}

void write_verdict(const weightscope::scan_result& scan, const verdict& v, const verdict_arguments& arguments)
{
    if (!arguments.html.empty())
        write_output(arguments.html, to_html(scan, v.health, {.baseline = v.baseline}));
    if (!arguments.markdown.empty())
        write_output(arguments.markdown, to_markdown(scan, v.health,
                                                     {.top_issues = arguments.top_issues,
                                                      .heavy_tails = arguments.rules.preset == "heavy-tail",
                                                      .baseline = v.baseline}));
    if (!arguments.tables.empty())
        for (const auto& [name, text] : to_csv_files(to_document(scan, v.health, v.baseline)))
            write_output((std::filesystem::path(arguments.tables) / name).string(), text);
    if (!arguments.sarif.empty())
        write_output(arguments.sarif, weightscope::to_text(to_sarif(scan, v.health, v.baseline)));
    if (!arguments.junit.empty())
        write_output(arguments.junit, to_junit(scan, v.health, {.fail_on = gate_of(arguments), .baseline = v.baseline}));
    if (!arguments.plans.empty())
        write_output(arguments.plans, weightscope::to_text(to_json(scan, recommend_quantization(scan), recommend_compression(scan))));
}

void tell_verdict(const weightscope::scan_result& scan, const verdict& v, const verdict_arguments& arguments)
{
    print(to_console(scan, v.health, console_of(arguments)));
    if (v.baseline)
        print("\n" + to_console(*v.baseline, v.health, console_of(arguments)));
}

int status_of(const weightscope::scan_result& scan, const verdict& v, const verdict_arguments& arguments)
{
    if (tell_lost(scan))
        return exit_status::unreadable;
    const auto least = gate_of(arguments);
    return least && count_failing(v.health, *least, v.baseline) > 0 ? exit_status::finding : exit_status::done;
}
