#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

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
    std::string preset = "default";
    std::vector<std::string> thresholds;
    std::size_t top_issues = 10;
    progress_mode progress = progress_mode::automatic;
    std::optional<weightscope::severity> fail_on;
};

constexpr std::array<std::string_view, 5> known_methods = {"basic_stats", "spectral", "quantization", "sparsity", "all"};

std::string fault_of_method(const std::string& method)
{
    if (std::find(known_methods.begin(), known_methods.end(), method) != known_methods.end())
        return {};
    return fmt::format("there is no method '{}'; the methods are {}", method, fmt::join(known_methods, ", "));
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
    progress_line line(arguments.model.quiet ? progress_mode::never : arguments.progress);
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
        print(weightscope::to_console(scan, health, {.width = terminal_width(), .color = wants_color(), .top_issues = arguments.top_issues}));

    if (tell_lost(scan))
        return exit_status::unreadable;
    const bool reached = arguments.fail_on && std::any_of(health.findings.begin(), health.findings.end(), [&](const weightscope::finding& f) {
                             return f.level >= *arguments.fail_on;
                         });
    return reached ? exit_status::finding : exit_status::done;
}

}  // namespace

void add_scan(CLI::App& tool, command& chosen)
{
    using weightscope::matrix_orientation;
    using weightscope::severity;
    CLI::App* sub = tool.add_subcommand("scan", "Analyses every tensor of a model, judges it, and says what to do.");
    const auto arguments = std::make_shared<scan_arguments>();
    scan_arguments& a = *arguments;
    add_model_arguments(*sub, a.model);
    const CLI::Validator method(fault_of_method, "", "method");
    add_list(*sub, "--methods", a.methods, fmt::format("what to measure: {} (all)", fmt::join(known_methods, ", ")), "A,B")->delimiter(',')->check(method);
    sub->add_option("--bits", a.options.bits, "of the quantization that is simulated, 2 to 16 (8)")->check(CLI::Range(2, 16))->type_name("N");
    sub->add_option("--group-size", a.options.group_size, "neighbours in a row that share a scale (128)")->check(CLI::Range(1, 1 << 30))->type_name("N");
    const std::map<std::string, matrix_orientation> orientations = {
        {"detect", matrix_orientation::detect}, {"out_in", matrix_orientation::out_in}, {"in_out", matrix_orientation::in_out}};
    sub->add_option("--orientation", a.options.orientation, "of matrices: detect, out_in or in_out (detect)")->transform(CLI::Transformer(orientations));
    sub->add_option("--preset", a.preset, "rules to judge by: default, or classic with fixed thresholds")->check(CLI::IsMember({"default", "classic"}));
    add_list(*sub, "--threshold", a.thresholds, "change a limit of a rule; LIMIT may be none (repeatable)", "RULE.LEVEL=LIMIT");
    sub->add_option("--top-issues", a.top_issues, "findings and rows to print (10)")->type_name("N");
    sub->add_option("--threads", a.options.threads, "to use (one per core)")->check(CLI::Range(1, 1024))->type_name("N");
    const std::map<std::string, progress_mode> modes = {{"auto", progress_mode::automatic}, {"always", progress_mode::always}, {"never", progress_mode::never}};
    sub->add_option("--progress", a.progress, "auto (on a terminal), always or never")->transform(CLI::Transformer(modes));
    const std::map<std::string, std::optional<severity>> levels = {{"critical", severity::critical}, {"warning", severity::warning}, {"never", std::nullopt}};
    sub->add_option("--fail-on", "exit with 1 if there is such a finding or a worse one: critical, warning or never (never)");
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_scan(*arguments); }; });
}
