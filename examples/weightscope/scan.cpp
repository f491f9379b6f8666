#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/rules.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/scope.hpp>

#include "arguments.hpp"
#include "command.hpp"
#include "progress_line.hpp"
#include "terminal.hpp"

namespace {

struct scan_arguments
{
    model_arguments model;
    std::vector<std::string> methods;
    weightscope::scan_options options;
    std::string orientation = "detect";
    std::string preset = "default";
    std::vector<std::string> thresholds;
    std::size_t top_issues = 10;
    std::string progress = "auto";
    std::string fail_on = "never";
};

CLI::Validator one_of(const std::vector<std::string>& values)
{
    const auto fault = [values](const std::string& text) {
        return std::find(values.begin(), values.end(), text) != values.end() ? std::string()
                                                                             : fmt::format("'{}' is none of {}", text, fmt::join(values, ", "));
    };
    return CLI::Validator(fault, "");
}

weightscope::scan_options options_of(const scan_arguments& arguments)
{
    weightscope::scan_options options = arguments.options;
    const auto chosen = [&](std::string_view method) {
        const auto& names = arguments.methods;
        return names.empty() || std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name == method || name == "all"; });
    };
    options.basic_stats = chosen("basic_stats");
    options.spectral = chosen("spectral");
    options.quantization = chosen("quantization");
    options.sparsity = chosen("sparsity");
    options.orientation = arguments.orientation == "out_in" ? weightscope::matrix_orientation::out_in
                        : arguments.orientation == "in_out" ? weightscope::matrix_orientation::in_out
                                                            : weightscope::matrix_orientation::detect;
    options.include = arguments.model.names.include;
    options.exclude = arguments.model.names.exclude;
    options.restrict_to = arguments.model.names.restrict_to;
    return options;
}

// RULE.LEVEL=LIMIT
std::vector<weightscope::rule> with_threshold(std::vector<weightscope::rule> rules, const std::string& text)
{
    const std::size_t equals = text.rfind('='), dot = text.rfind('.', equals);
    const auto refuse = [&](std::string_view what) {
        throw usage_error(fmt::format("--threshold: '{}' {}; write RULE.LEVEL=LIMIT, as outliers.warning=2 or outliers.warning=none", text, what));
    };
    if (equals == std::string::npos || dot == std::string::npos)
        refuse("has no '.' or no '='");
    const std::string id = text.substr(0, dot), level = text.substr(dot + 1, equals - dot - 1), number = text.substr(equals + 1);
    std::optional<weightscope::severity> severity;
    for (const auto candidate : {weightscope::severity::info, weightscope::severity::warning, weightscope::severity::critical})
        if (level == to_string(candidate))
            severity = candidate;
    if (!severity)
        refuse(fmt::format("has the level '{}', expected info, warning or critical", level));
    std::optional<double> limit = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), *limit);
    if (number == "none")
        limit.reset();
    else if (error != std::errc() || end != number.data() + number.size() || !std::isfinite(*limit))
        refuse(fmt::format("has the limit '{}', expected a number or none", number));
    const auto known = [&](const weightscope::rule& r) { return r.id == id; };
    if (std::none_of(rules.begin(), rules.end(), known)) {
        std::vector<std::string> ids;
        for (const weightscope::rule& r : rules)
            ids.push_back(r.id);
        refuse(fmt::format("names no rule; the rules are {}", fmt::join(ids, ", ")));
    }
    return override_threshold(std::move(rules), id, *severity, limit);
}

std::vector<weightscope::rule> rules_of(const scan_arguments& arguments)
{
    auto rules = arguments.preset == "classic" ? weightscope::classic_rules() : weightscope::default_rules();
    for (const std::string& threshold : arguments.thresholds)
        rules = with_threshold(std::move(rules), threshold);
    return rules;
}

weightscope::scan_result scan_with_progress(const weightscope::model& m, const scan_arguments& arguments)
{
    progress_line line(arguments.model.quiet || arguments.progress == "never" ? progress_mode::never
                       : arguments.progress == "always"                       ? progress_mode::always
                                                                              : progress_mode::automatic);
    return weightscope::scan(m, options_of(arguments), [&](const weightscope::progress& state) {
        line.show(state);
        return true;
    });
}

// Says which tensors the scan lost, if it lost any.
bool tell_lost(const weightscope::scan_result& scan)
{
    const auto lost = [](const weightscope::layer_result& layer) { return !layer.error.empty(); };
    const auto count = std::count_if(scan.layers.begin(), scan.layers.end(), lost);
    if (count == 0)
        return false;
    const auto& first = *std::find_if(scan.layers.begin(), scan.layers.end(), lost);
    print_error(fmt::format("{}: {} of {} tensors could not be analysed, '{}' first: {}; the result holds the others", scan.model.path, count,
                            scan.layers.size(), weightscope::printable(first.name), first.error));
    return true;
}

int run_scan(const scan_arguments& arguments)
{
    const std::vector<weightscope::rule> rules = rules_of(arguments);
    const weightscope::model m = open_for(arguments.model);
    const weightscope::scan_result scan = scan_with_progress(m, arguments);
    const weightscope::health_result health = judge(scan, rules);
    if (!arguments.model.csv.empty())
        write_output(arguments.model.csv, weightscope::to_csv(scan));
    if (!arguments.model.output.empty())
        write_output(arguments.model.output, weightscope::to_text(weightscope::to_json(scan, health)));
    if (!arguments.model.quiet && !uses_stdout(arguments.model))
        print(weightscope::to_console(scan, health, {.width = std::clamp<std::size_t>(terminal_width(), 60, 200), .color = wants_color(), .top_issues = arguments.top_issues}));

    if (tell_lost(scan))
        return exit_status::unreadable;
    const std::size_t critical = health.count(weightscope::severity::critical), warning = health.count(weightscope::severity::warning);
    const std::size_t counted = arguments.fail_on == "critical" ? critical : arguments.fail_on == "warning" ? critical + warning : 0;
    return counted > 0 ? exit_status::finding : exit_status::done;
}

}  // namespace

void add_scan(CLI::App& tool, command& chosen)
{
    CLI::App* sub = tool.add_subcommand("scan", "Analyses every tensor of a model, judges it, and says what to do.");
    const auto arguments = std::make_shared<scan_arguments>();
    scan_arguments& a = *arguments;
    add_model_arguments(*sub, a.model);
    const std::vector<std::string> methods = {"basic_stats", "spectral", "quantization", "sparsity", "all"};
    add_list(*sub, "--methods", a.methods, fmt::format("what to measure: {} (all)", fmt::join(methods, ", ")), "A,B")->delimiter(',')->check(one_of(methods));
    sub->add_option("--bits", a.options.bits, "of the quantization that is simulated, 2 to 16 (8)")->check(CLI::Range(2, 16))->type_name("N");
    sub->add_option("--group-size", a.options.group_size, "neighbours in a row that share a scale (128)")->check(CLI::Range(1, 1 << 30))->type_name("N");
    const auto add_choice = [&](const std::string& name, std::string& value, const std::vector<std::string>& values, const std::string& description) {
        sub->add_option(name, value, fmt::format("{}: {} ({})", description, fmt::join(values, ", "), value))->type_name("")->check(one_of(values));
    };
    add_choice("--orientation", a.orientation, {"detect", "out_in", "in_out"}, "how matrices lie in the file");
    add_choice("--preset", a.preset, {"default", "classic"}, "rules to judge by");
    add_list(*sub, "--threshold", a.thresholds, "change a limit of a rule; LIMIT is a number or none (repeatable)", "RULE.LEVEL=LIMIT");
    sub->add_option("--top-issues", a.top_issues, "findings and rows to print (10)")->type_name("N");
    sub->add_option("--threads", a.options.threads, "to use (one per core)")->check(CLI::Range(1, 1024))->type_name("N");
    add_choice("--progress", a.progress, {"auto", "always", "never"}, "progress on stderr; auto is on a terminal");
    add_choice("--fail-on", a.fail_on, {"critical", "warning", "never"}, "exit with 1 where a finding is as bad or worse");
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_scan(*arguments); }; });
}
