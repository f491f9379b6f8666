#include <algorithm>
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
#include <weightscope/report/chart_files.hpp>
#include <weightscope/report/chart_result.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/plot_scan.hpp>
#include <weightscope/report/plot_weight_heatmap.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/spectra_file.hpp>
#include <weightscope/report/weightwatcher.hpp>
#include <weightscope/scope.hpp>

#include "arguments.hpp"
#include "chart_arguments.hpp"
#include "command.hpp"
#include "progress_line.hpp"
#include "scan_device.hpp"
#include "terminal.hpp"
#include "verdict_arguments.hpp"

namespace {

struct scan_arguments
{
    model_arguments model;
    std::vector<std::string> methods;
    weightscope::scan_options options;
    std::string orientation = "detect";
    std::string device = "cpu";
    verdict_arguments verdict;
    chart_arguments charts;
    std::string progress = "auto";
    std::string spectra;        // NPZ
    std::string weightwatcher;  // CSV
};

weightscope::scan_options options_of(const scan_arguments& arguments)
{
    weightscope::scan_options options = arguments.options;
    const auto chosen = [&](std::string_view method) {
        const auto& names = arguments.methods;
        return names.empty() || std::any_of(names.begin(), names.end(), [&](const std::string& name) {
                   return name == method || name == "all";
               });
    };
    options.basic_stats = chosen("basic_stats");
    options.spectral = chosen("spectral");
    options.quantization = chosen("quantization");
    options.sparsity = chosen("sparsity");
    options.heavy_tail = chosen("heavy_tail");
    options.spectral |= options.heavy_tail || !arguments.spectra.empty() || !arguments.weightwatcher.empty();
    options.tap_spectra |= !arguments.weightwatcher.empty();
    options.orientation = orientation_of(arguments.orientation);
    options.include = arguments.model.names.include;
    options.exclude = arguments.model.names.exclude;
    options.restrict_to = arguments.model.names.restrict_to;
    return options;
}

weightscope::scan_result scan_with_progress(const weightscope::model& m, const scan_arguments& arguments)
{
    progress_line line(arguments.model.quiet ? progress_mode::never : progress_mode_of(arguments.progress));
    const auto show = [&](const weightscope::progress& state) {
        line.show(state);
        return true;
    };
    return arguments.device == "cuda" ? scan_with_cuda(m, options_of(arguments), show) : weightscope::scan(m, options_of(arguments), show);
}

void write_spectra(const std::string& target, const weightscope::scan_result& scan)
{
    const interrupts_held held;
    weightscope::write_spectra(target, scan);
}

// All charts of a scan, those of single layers with a map of their weights, which the scan itself does not hold.
std::vector<weightscope::chart> charts_of(const weightscope::model& m, const weightscope::scan_result& scan, const weightscope::health_result& health,
                                          const chart_arguments& arguments)
{
    if (arguments.folder.empty())
        return {};
    const auto draw_weights = [&](const weightscope::layer_result& layer) -> std::optional<weightscope::chart> {
        const auto tensor = std::find_if(m.tensors.begin(), m.tensors.end(), [&](const auto& t) { return t.name == layer.name; });
        if (tensor == m.tensors.end() || layer.shape.size() < 2 || layer.parameters == 0)
            return std::nullopt;
        return visit(*tensor, [&](const auto& weights) {
            return weightscope::plot_weight_heatmap(weights, layer.name, {.transposed = layer.transposed});
        });
    };
    return plot_scan(scan, health, {.weight_heatmap = draw_weights});
}

int run_scan(scan_arguments arguments)
{
    arguments.model.more_outputs = arguments.verdict.outputs();
    arguments.model.more_outputs.insert(arguments.model.more_outputs.end(),
                                        {{"--spectra", arguments.spectra}, {"--weightwatcher", arguments.weightwatcher}});
    const std::vector<weightscope::rule> rules = rules_of(arguments.verdict.rules);
    require_chart_folder(arguments.charts);
    if (const std::string fault = arguments.device == "cuda" ? fault_of_cuda() : ""; !fault.empty())
        throw usage_error("--device: " + fault);
    const auto baseline = read_baseline(arguments.verdict);
    const weightscope::model m = open_for(arguments.model, {.allow_lost_shards = true});
    const weightscope::scan_result scan = scan_with_progress(m, arguments);
    const verdict v = verdict_on(scan, baseline, rules, arguments.verdict);
    if (!arguments.model.csv.empty())
        write_output(arguments.model.csv, to_csv(scan));
    if (!arguments.model.output.empty())
        write_output(arguments.model.output, document_of(scan, v));
    write_verdict(scan, v, arguments.verdict);
    if (!arguments.spectra.empty())
        write_spectra(arguments.spectra, scan);
    const auto weightwatcher_layers = arguments.weightwatcher.empty() ? std::vector<weightscope::weightwatcher_layer>()
                                                                      : weightscope::to_weightwatcher_layers(scan);
    if (!arguments.weightwatcher.empty())
        write_output(arguments.weightwatcher, weightscope::to_weightwatcher_csv(weightwatcher_layers));
    if (!arguments.model.quiet && !uses_stdout(arguments.model)) {
        tell_verdict(scan, v, arguments.verdict);
        if (!scan.environment.cuda.empty())
            print(fmt::format("\nMeasured with {}.\n", scan.environment.cuda));
        if (!arguments.weightwatcher.empty())
            print("\n" + to_text(to_weightwatcher_means(weightwatcher_layers)));
    }

    write_charts(arguments.charts, charts_of(m, scan, v.health, arguments.charts), arguments.model.quiet || uses_stdout(arguments.model));
    return status_of(scan, v, arguments.verdict);
}

}  // namespace

void add_scan(CLI::App& tool, command& chosen)
{
    CLI::App* sub = tool.add_subcommand("scan", "Analyses every tensor of a model, judges it, and says what to do.");
    const auto arguments = std::make_shared<scan_arguments>();
    scan_arguments& a = *arguments;
    add_model_arguments(*sub, a.model);
    const auto add_number = [&](const std::string& name, auto& value, std::size_t least, std::size_t most,
                                const std::string& description) {
        sub->add_option(name, value, description)->type_name("N")->check(whole_number(least, most));
    };
    const std::vector<std::string> methods = {"basic_stats", "spectral", "quantization", "sparsity", "heavy_tail", "all"};
    add_list(*sub, "--methods", a.methods, "A,B", fmt::format("what to measure: {} (all)", fmt::join(methods, ", ")))
        ->delimiter(',')
        ->check(one_of(methods));
    add_number("--bits", a.options.bits, 2, 16, "of the quantization that is simulated (8)");
    add_number("--group-size", a.options.group_size, 1, 1'000'000'000, "neighbours in a row that share a scale (128)");
    sub->add_option("--spectra", a.spectra, "write all singular values of all tensors, for numpy.load")
        ->type_name("FILE.npz")
        ->check(CLI::Validator(
            [](const std::string& target) {
                return target == "-" ? std::string("'-' is no file name; an archive cannot go to stdout") : std::string();
            },
            ""));
    sub->add_option("--weightwatcher", a.weightwatcher,
                    "write WeightWatcher's columns, fitted as it does, and print their means; - is stdout")
        ->type_name("FILE.csv");
    add_number("--shuffles", a.options.shuffles, 0, 1000, "of each matrix's elements, to tell order from chance (0)");
    add_number("--seed", a.options.seed, 0, 1'000'000'000, "of the shuffles (0)");
    sub->add_flag("--tap-spectra", a.options.tap_spectra, "singular values of convolutions also tap by tap");
    add_number("--convolution-input", a.options.convolution_input, 1, 4096,
               "also the norm of convolutions as maps of inputs with N points a side");
    add_choice(*sub, "--orientation", a.orientation, {"detect", "out_in", "in_out"}, "how matrices lie in the file");
    add_choice(*sub, "--device", a.device, {"cpu", "cuda"}, "what measures; cuda: the first CUDA device and the CPU together");
    add_verdict_arguments(*sub, a.verdict);
    add_chart_arguments(*sub, a.charts);
    add_number("--threads", a.options.threads, 1, 1024, "threads to use (one per core)");
    add_choice(*sub, "--progress", a.progress, {"auto", "always", "never"},
               "show progress on stderr; auto is on a terminal");
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_scan(*arguments); }; });
}
