#include "verdict_arguments.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <weightscope/io/printable.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/rule.hpp>

#include "arguments.hpp"
#include "command.hpp"
#include "terminal.hpp"

namespace {

// Says which tensors the scan lost, if it lost any.
bool tell_lost(const weightscope::scan_result& scan)
{
    const auto lost = [](const weightscope::layer_result& layer) { return !layer.error.empty(); };
    const auto count = static_cast<std::size_t>(std::count_if(scan.layers.begin(), scan.layers.end(), lost));
    if (count == 0)
        return false;
    const auto& first = *std::find_if(scan.layers.begin(), scan.layers.end(), lost);
    print_error(fmt::format("{}: {} of {} tensors could not be analysed, '{}' first: {}{}", scan.model.path, count,
                            scan.layers.size(), weightscope::printable(first.name), first.error,
                            count < scan.layers.size() ? "; the result holds the others" : ""));
    return true;
}

}  // namespace

void add_verdict_arguments(CLI::App& sub, verdict_arguments& arguments)
{
    add_rule_arguments(sub, arguments.rules);
    sub.add_option("--top-issues", arguments.top_issues, "findings to print, and rows of each table (10)")
        ->type_name("N")
        ->check(whole_number(0, 1'000'000'000));
    add_choice(sub, "--fail-on", arguments.fail_on, {"critical", "warning", "never"}, "exit with 1 where a finding is as bad or worse");
}

void tell_verdict(const weightscope::scan_result& scan, const weightscope::health_result& health, const verdict_arguments& arguments)
{
    print(to_console(scan, health,
                     {.width = std::clamp<std::size_t>(terminal_width(), 60, 200), .color = wants_color(), .top_issues = arguments.top_issues,
                      .heavy_tails = arguments.rules.preset == "heavy-tail"}));
}

int status_of(const weightscope::scan_result& scan, const weightscope::health_result& health, const verdict_arguments& arguments)
{
    if (tell_lost(scan))
        return exit_status::unreadable;
    const std::size_t critical = health.count(weightscope::severity::critical), warning = health.count(weightscope::severity::warning);
    const std::size_t counted = arguments.fail_on == "critical"  ? critical
                                : arguments.fail_on == "warning" ? critical + warning
                                                                 : 0;
    return counted > 0 ? exit_status::finding : exit_status::done;
}
