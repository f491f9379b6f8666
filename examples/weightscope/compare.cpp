#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/version.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/change_rules.hpp>
#include <weightscope/report/comparison_console.hpp>
#include <weightscope/report/comparison_csv.hpp>
#include <weightscope/report/comparison_document.hpp>
#include <weightscope/report/comparison_json.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/markdown.hpp>
#include <weightscope/report/plot_layer_comparison.hpp>
#include <weightscope/report/scan_reader.hpp>
#include <weightscope/scope.hpp>
#include <weightscope/study/model_comparison.hpp>

#include "arguments.hpp"
#include "chart_arguments.hpp"
#include "command.hpp"
#include "page_arguments.hpp"
#include "progress_line.hpp"
#include "rule_arguments.hpp"
#include "terminal.hpp"

namespace {

struct compare_arguments
{
    std::string a, b;  // models or saved scans
    weightscope::name_filter_options names;
    std::string output;  // JSON; "-" is stdout, empty is none
    std::string csv, markdown;
    page_arguments page;
    bool quiet = false;
    std::vector<std::string> methods;
    rule_arguments rules;
    weightscope::compare_models_options options;
    std::size_t top = 10;
    chart_arguments charts;
    std::string progress = "auto";
    std::string fail_on = "never";

    std::vector<output_argument> outputs() const
    {
        return wanted_outputs({{"--output", output}, {"--csv", csv}, {"--markdown", markdown}, {"--html", page.html}});
    }
};

// One of the two: a model and its scan, or a saved scan alone.
struct side
{
    std::optional<weightscope::model> weights;
    weightscope::scan_result scan;
};

bool is_saved_scan(const std::string& path)
{
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error))
        return false;
    std::string front(4096, '\0');
    std::ifstream file(path, std::ios::binary);
    file.read(front.data(), static_cast<std::streamsize>(front.size()));
    front.resize(static_cast<std::size_t>(file.gcount()));
    const std::size_t first = front.find_first_not_of(" \t\r\n");
    return first != std::string::npos && front[first] == '{' && front.find("\"weightscope/") != std::string::npos;
}

weightscope::scan_options scan_options_of(const compare_arguments& arguments)
{
    const auto chosen = [&](std::string_view method) {
        const auto& names = arguments.methods;
        return names.empty() ? method == "basic_stats" || method == "spectral"
                             : std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name == method || name == "all"; });
    };
    return {.basic_stats = chosen("basic_stats"),
            .spectral = chosen("spectral"),
            .quantization = chosen("quantization"),
            .sparsity = chosen("sparsity"),
            .include = arguments.names.include,
            .exclude = arguments.names.exclude,
            .restrict_to = arguments.names.restrict_to,
            .threads = arguments.options.threads,
            .heavy_tail = false};
}

side open_side(const std::string& location)
{
    if (is_saved_scan(location))
        return {.weights = std::nullopt, .scan = weightscope::read_scan(location)};
    return {.weights = weightscope::open_model(location), .scan = {}};
}

void require_apart(const side& s, const std::string& location, const std::vector<output_argument>& outputs)
{
    std::error_code error;
    for (const output_argument& output : outputs) {
        bool same = std::filesystem::equivalent(output.target, location, error);
        if (s.weights)
            for (const auto& tensor : s.weights->tensors)
                same |= tensor.file && std::filesystem::equivalent(tensor.file->path(), output.target, error);
        if (same)
            throw usage_error(fmt::format("{}: is one of the two that are compared; name another file for the result", output.target));
    }
}

// The layers of `b` under the names that they have in `a`, for charts that match by name.
weightscope::scan_result with_names_of_a(weightscope::scan_result scan, const weightscope::comparison_result& r)
{
    for (auto& layer : scan.layers)
        for (const auto& pair : r.layers)
            if (pair.name_b == layer.name) {
                layer.name = pair.name;
                break;
            }
    return scan;
}

weightscope::comparison_result compare_with_progress(side& a, side& b, const compare_arguments& arguments)
{
    progress_line line(arguments.quiet ? progress_mode::never : progress_mode_of(arguments.progress));
    const auto show = [&](const weightscope::progress& state) {
        line.show(state);
        return true;
    };
    for (side* s : {&a, &b})
        if (s->weights)
            s->scan = weightscope::scan(*s->weights, scan_options_of(arguments), show);
    weightscope::compare_models_options options = arguments.options;
    options.rules = change_rules_of(weightscope::comparison_rules(), arguments.rules);
    options.include = arguments.names.include;
    options.exclude = arguments.names.exclude;
    options.restrict_to = arguments.names.restrict_to;
    return compare_models({a.weights ? &*a.weights : nullptr, &a.scan}, {b.weights ? &*b.weights : nullptr, &b.scan}, options, show);
}

int status_of(const weightscope::comparison_result& r, const compare_arguments& arguments)
{
    const auto lost = std::find_if(r.layers.begin(), r.layers.end(), [](const auto& layer) { return !layer.error.empty(); });
    if (lost != r.layers.end()) {
        print_error(fmt::format("{}: '{}' could not be compared: {}", r.a.path, weightscope::printable(lost->name), lost->error));
        return exit_status::unreadable;
    }
    const auto least = arguments.fail_on == "critical" ? weightscope::severity::critical : weightscope::severity::warning;
    const bool failed = arguments.fail_on != "never"
                        && std::any_of(r.findings.begin(), r.findings.end(), [&](const auto& f) { return f.level >= least; });
    return failed ? exit_status::finding : exit_status::done;
}

int run_compare(const compare_arguments& arguments)
{
    (void)change_rules_of(weightscope::comparison_rules(), arguments.rules);  // refuses them before the work
    const std::vector<output_argument> outputs = arguments.outputs();
    require_outputs(outputs);
    require_chart_folder(arguments.charts);
    require_table_folder(arguments.page);
    side a = open_side(arguments.a), b = open_side(arguments.b);
    require_apart(a, arguments.a, outputs);
    require_apart(b, arguments.b, outputs);
    for (const side* s : {&a, &b})
        if (s->weights)
            require_names(*s->weights, arguments.names);
    const weightscope::comparison_result r = compare_with_progress(a, b, arguments);
    if (!arguments.csv.empty())
        write_output(arguments.csv, to_csv(r));
    if (!arguments.output.empty())
        write_output(arguments.output, weightscope::to_text(to_json(r)));
    if (!arguments.markdown.empty())
        write_output(arguments.markdown, to_markdown(r, {.top_issues = arguments.top}));
    const auto charts = [&] { return std::vector{plot_layer_comparison(a.scan, with_names_of_a(b.scan, r))}; };
    write_pages(arguments.page, arguments.top, [&] {
        weightscope::report_document document = to_document(r);
        document.charts = charts();
        return document;
    });
    const bool silent = arguments.quiet || uses_stdout(outputs);
    if (!silent)
        print(to_console(r, {.width = std::clamp<std::size_t>(terminal_width(), 60, 200), .color = wants_color(), .top_issues = arguments.top}));
    if (!arguments.charts.folder.empty())
        write_charts(arguments.charts, charts(), silent);
    return status_of(r, arguments);
}

}  // namespace

void add_compare(CLI::App& tool, command& chosen)
{
    CLI::App* sub = tool.add_subcommand("compare", "Tells what one model is to another: a cast, a quantized copy, an adapter, a fine-tune, or none of its kin.");
    const auto arguments = std::make_shared<compare_arguments>();
    compare_arguments& a = *arguments;
    sub->set_version_flag("--version", std::string(weightscope::version), "print the version");
    sub->add_option("A", a.a, "the first one: a model, as for scan, or what scan --output wrote")->required()->type_name("");
    sub->add_option("B", a.b, "the second one, likewise")->required()->type_name("");
    add_name_arguments(*sub, a.names);
    const std::vector<std::string> methods = {"basic_stats", "spectral", "quantization", "sparsity", "all"};
    add_list(*sub, "--methods", a.methods, "A,B", "figures to set side by side: basic_stats, spectral, quantization, sparsity, all (basic_stats,spectral)")
        ->delimiter(',')
        ->check(one_of(methods));
    sub->add_option("--output", a.output, "write the result as JSON; - is stdout")->type_name("FILE.json");
    sub->add_option("--csv", a.csv, "write a table with one row per layer; - is stdout")->type_name("FILE");
    sub->add_option("--markdown", a.markdown, "write what was found and its tables for a review; - is stdout")->type_name("FILE.md");
    add_page_arguments(*sub, a.page, false);
    sub->add_flag("--quiet", a.quiet, "print nothing but errors");
    const auto add_number = [&](const std::string& name, auto& value, std::size_t least, std::size_t most, const std::string& description) {
        sub->add_option(name, value, description)->type_name("N")->check(whole_number(least, most));
    };
    add_number("--top", a.top, 0, 1'000'000'000, "findings to print, and layers that changed most (10)");
    add_number("--subspaces", a.options.weights.subspace_count, 0, 1024, "singular vectors whose spans are compared; 0: none (8)");
    add_number("--largest-spectrum", a.options.weights.largest_spectrum, 0, 1'000'000, "no rank of the difference where min(rows, columns) is more (4096)");
    add_threshold_arguments(*sub, a.rules);
    add_chart_arguments(*sub, a.charts);
    add_number("--threads", a.options.threads, 1, 1024, "threads to use (one per core)");
    add_choice(*sub, "--progress", a.progress, {"auto", "always", "never"}, "show progress on stderr; auto is on a terminal");
    add_choice(*sub, "--fail-on", a.fail_on, {"critical", "warning", "never"}, "exit with 1 where a finding is as bad or worse");
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_compare(*arguments); }; });
}
