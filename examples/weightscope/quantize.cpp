#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/study/dequantized_model.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/study/packed_model.hpp>
#include <weightscope/study/quantization_diff.hpp>
#include <weightscope/study/quantization_study.hpp>
#include <weightscope/quantizers/quantization_config.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/plot_points.hpp>
#include <weightscope/report/plot_spectrum_effects.hpp>
#include <weightscope/report/quantization_diff_console.hpp>
#include <weightscope/report/quantization_diff_csv.hpp>
#include <weightscope/report/quantization_diff_json.hpp>
#include <weightscope/report/quantization_diff_result.hpp>
#include <weightscope/report/quantization_study_console.hpp>
#include <weightscope/report/quantization_study_csv.hpp>
#include <weightscope/report/quantization_study_document.hpp>
#include <weightscope/report/quantization_study_json.hpp>
#include <weightscope/report/quantization_study_measures.hpp>
#include <weightscope/report/quantization_study_result.hpp>

#include "arguments.hpp"
#include "chart_arguments.hpp"
#include "command.hpp"
#include "evaluator_arguments.hpp"
#include "page_arguments.hpp"
#include "progress_line.hpp"
#include "quantize_measures.hpp"
#include "terminal.hpp"

namespace {

struct quantize_arguments
{
    model_arguments model;
    std::vector<std::string> schemes;
    std::vector<std::string> presets;
    bool study = false;
    std::vector<std::size_t> search_groups;
    int search_bits = 4;
    std::optional<double> max_error;
    std::string error_metric = "relative_error";
    bool skip_first_last = false, quantize_first_last = false;
    std::vector<std::string> sensitive;
    int sensitive_bits = 8;
    weightscope::quantization_study_options options;
    std::string orientation = "detect";
    std::string write, pack;  // safetensors
    std::string take;         // a variant
    std::vector<std::string> diff;
    quantize_measures measures;
    page_arguments page;
    chart_arguments charts;
    std::size_t top_issues = 10;
    std::string progress = "auto";
};

// "int4-g64", or one of the kinds "int8_per_tensor_sym"...
weightscope::quantization_config config_named(const std::string& name)
{
    return {.quant_type = weightscope::parse_quantization_type(name)};
}

// The scheme that is named, or why there is none.
std::optional<weightscope::scheme> scheme_named(const std::string& name, std::string* fault = nullptr)
{
    try {
        return weightscope::parse_scheme(name);
    } catch (const std::invalid_argument& error) {
        if (fault)
            *fault = sentence_of(error);
        return std::nullopt;
    }
}

std::string fault_of_scheme(const std::string& name)
{
    std::string fault;
    if (scheme_named(name, &fault))
        return {};
    if (name.find('_') == std::string::npos)
        return fault;
    try {
        (void)config_named(name);
        return {};
    } catch (const std::invalid_argument& error) {
        return sentence_of(error);
    }
}

std::string fault_of_diff(const std::string& name)
{
    std::string fault;
    (void)scheme_named(name, &fault);
    return fault;
}

// What the command line changes about a configuration.
weightscope::study_variant variant_of(weightscope::quantization_config config, const quantize_arguments& arguments)
{
    config.sensitive_layers = arguments.sensitive;
    config.sensitive_bits = arguments.sensitive_bits;
    if (arguments.skip_first_last || arguments.quantize_first_last)
        config.skip_first_last = arguments.skip_first_last;
    return weightscope::to_variant(config);
}

weightscope::study_variant variant_of(const std::string& name, const quantize_arguments& arguments)
{
    const std::optional<weightscope::scheme> named = scheme_named(name);
    if (!named) {
        weightscope::study_variant variant = variant_of(config_named(name), arguments);
        variant.skip_first_last = arguments.skip_first_last;
        return variant;
    }
    const weightscope::scheme& normal = *named;
    weightscope::scheme sensitive = normal;
    if (normal.plain())
        sensitive.bits = std::max(normal.bits, arguments.sensitive_bits);
    else if (normal.bits < arguments.sensitive_bits)  // other grids have no more bits to give
        sensitive = {.bits = arguments.sensitive_bits, .granularity = weightscope::scale_granularity::per_channel};
    return {.name = weightscope::to_string(normal),
            .normal = normal,
            .sensitive = sensitive,
            .sensitive_layers = arguments.sensitive,
            .skip_first_last = arguments.skip_first_last};
}

weightscope::quantization_study_options options_of(const quantize_arguments& arguments)
{
    weightscope::quantization_study_options options = arguments.options;
    const auto add = [&](weightscope::study_variant variant) {
        const auto same = [&](const weightscope::study_variant& other) { return other.name == variant.name; };
        if (std::none_of(options.variants.begin(), options.variants.end(), same))
            options.variants.push_back(std::move(variant));
    };
    for (const std::string& name : arguments.schemes)
        add(variant_of(name, arguments));
    for (const std::string& name : arguments.presets)
        add(variant_of(weightscope::quantization_preset(name), arguments));
    const bool nothing_named = arguments.schemes.empty() && arguments.presets.empty() && arguments.search_groups.empty() && !arguments.max_error;
    const bool study = arguments.study || nothing_named;
    if (study)
        for (const weightscope::quantization_config& config : weightscope::study_configs())
            add(variant_of(config, arguments));
    options.search_groups = arguments.search_groups;
    if (study && options.search_groups.empty())
        options.search_groups = {32, 64, 128};
    options.search_bits = arguments.search_bits;
    options.max_error = arguments.max_error;
    for (int i = 0; i <= static_cast<int>(weightscope::study_metric::cosine_distance); ++i)
        if (to_string(static_cast<weightscope::study_metric>(i)) == arguments.error_metric)
            options.error_metric = static_cast<weightscope::study_metric>(i);
    options.skip_first_last = arguments.skip_first_last || (study && !arguments.quantize_first_last);
    options.orientation = orientation_of(arguments.orientation);
    options.include = arguments.model.names.include;
    options.exclude = arguments.model.names.exclude;
    options.restrict_to = arguments.model.names.restrict_to;
    return options;
}

weightscope::quantization_study_result study_with_progress(const weightscope::model& m, const quantize_arguments& arguments)
{
    progress_line line(arguments.model.quiet ? progress_mode::never : progress_mode_of(arguments.progress));
    try {
        return weightscope::study_quantization(m, options_of(arguments), [&](const weightscope::progress& state) {
            line.show(state);
            return true;
        });
    } catch (const std::invalid_argument& error) {
        throw usage_error(sentence_of(error));
    }
}

// The variant that --take names, else the recommended one.
std::size_t taken_variant(const weightscope::quantization_study_result& study, const quantize_arguments& arguments)
{
    if (arguments.take.empty())
        return study.recommended;
    std::vector<std::string> names;
    for (std::size_t v = 0; v < study.variants.size(); ++v) {
        if (study.variants[v].name == arguments.take)
            return v;
        names.push_back(study.variants[v].name);
    }
    throw usage_error(fmt::format("--take: no variant is named '{}', expected one of {}", arguments.take, fmt::join(names, ", ")));
}

// Says which layers the study lost, if it lost any.
bool tell_lost(const weightscope::quantization_study_result& study)
{
    const auto lost = [](const weightscope::study_layer& layer) { return !layer.error.empty(); };
    const auto count = static_cast<std::size_t>(std::count_if(study.layers.begin(), study.layers.end(), lost));
    if (count == 0)
        return false;
    const auto& first = *std::find_if(study.layers.begin(), study.layers.end(), lost);
    print_error(fmt::format("{}: {} of {} tensors could not be measured, '{}' first: {}; the others were, and nothing is written or packed",
                            study.model.path, count, study.layers.size(), weightscope::printable(first.name), first.error));
    return true;
}

// --write and --pack, each told before it is done.
void write_models(const weightscope::model& m, const weightscope::quantization_study_result& study, std::size_t variant,
                  const quantize_arguments& arguments)
{
    const auto tell = [&](const std::string& text) {
        if (!arguments.model.quiet && !uses_stdout(arguments.model))
            print(text);
    };
    const std::string name = weightscope::printable(study.variants[variant].name);
    try {
        if (!arguments.write.empty()) {
            tell(fmt::format("\nwriting {} as {}, decoded to the model's own types\n", name, arguments.write));
            const interrupts_held held;
            weightscope::write_dequantized(arguments.write, m, study, variant);
        }
        if (!arguments.pack.empty()) {
            const std::uint64_t bytes = weightscope::packed_bytes(m, study, variant);
            tell(fmt::format("\npacking {} as {}: {} bytes\n", name, arguments.pack, fmt::group_digits(bytes)));
            const interrupts_held held;
            weightscope::write_packed(arguments.pack, m, study, variant);
        }
    } catch (const std::invalid_argument& error) {
        throw usage_error(sentence_of(error));
    }
}

measured_study measure_with_progress(const weightscope::model& m, weightscope::quantization_study_result study, const quantize_arguments& arguments)
{
    progress_line line(arguments.model.quiet ? progress_mode::never : progress_mode_of(arguments.progress));
    return measure(m, std::move(study), arguments.measures,
                   {.progress =
                        [&](const weightscope::progress& state) {
                            line.show(state);
                            return true;
                        },
                    .talks = !arguments.model.quiet && !uses_stdout(arguments.model)});
}

std::vector<weightscope::chart> charts_of(const weightscope::quantization_study_result& study)
{
    std::vector charts = {plot_scheme_errors(study)};
    if (weightscope::detail::has_spectra(study))
        charts.push_back(plot_spectrum_effects(study));
    return charts;
}

// Conventions beside each other, instead of a study.
int run_diff(const weightscope::model& m, const quantize_arguments& arguments)
{
    std::vector<weightscope::scheme> schemes;
    for (const std::string& name : arguments.diff)
        schemes.push_back(weightscope::parse_scheme(name));
    const weightscope::quantization_diff_result diff = [&] {
        progress_line line(arguments.model.quiet ? progress_mode::never : progress_mode_of(arguments.progress));
        return weightscope::study_quantization_diff(m, schemes, options_of(arguments), {}, [&](const weightscope::progress& state) {
            line.show(state);
            return true;
        });
    }();
    if (!arguments.model.csv.empty())
        write_output(arguments.model.csv, to_csv(diff));
    if (!arguments.model.output.empty())
        write_output(arguments.model.output, weightscope::to_text(to_json(diff)));
    write_pages(arguments.page, arguments.top_issues, [&] { return to_document(diff); });
    if (!arguments.model.quiet && !uses_stdout(arguments.model))
        print(to_console(diff, {.width = std::clamp<std::size_t>(terminal_width(), 60, 200),
                                .color = wants_color(),
                                .top_issues = arguments.top_issues}));
    const auto lost = std::find_if(diff.layers.begin(), diff.layers.end(), [](const auto& layer) { return !layer.layer.error.empty(); });
    if (lost == diff.layers.end())
        return exit_status::done;
    print_error(fmt::format("{}: '{}' could not be read: {}; the others were", diff.model.path, weightscope::printable(lost->layer.name), lost->layer.error));
    return exit_status::unreadable;
}

void require_diff_alone(const quantize_arguments& a)
{
    if (a.diff.empty())
        return;
    if (a.diff.size() < 2)
        throw usage_error(fmt::format("--diff: {} alone has nothing to be compared with; name two schemes or more", a.diff.front()));
    if (a.study || !a.schemes.empty() || !a.presets.empty() || !a.search_groups.empty() || a.max_error || !a.write.empty() || !a.pack.empty()
        || a.measures.spectrum || a.measures.evaluate || !a.measures.activations.empty() || !a.charts.folder.empty())
        throw usage_error("--diff compares schemes and does nothing else; leave out --study, --scheme, --preset, searches, --spectrum, --evaluate, "
                          "--activations, --charts, --write and --pack");
}

int run_quantize(quantize_arguments arguments)
{
    arguments.model.more_outputs = {{"--write", arguments.write}, {"--pack", arguments.pack}, {"--html", arguments.page.html}, {"--markdown", arguments.page.markdown}};
    if (arguments.skip_first_last && arguments.quantize_first_last)
        throw usage_error("--skip-first-last and --quantize-first-last contradict each other; take one of them");
    require_diff_alone(arguments);
    if (!arguments.take.empty() && arguments.write.empty() && arguments.pack.empty())
        throw usage_error("--take names the variant for --write or --pack, and neither is given");
    require_consistent(arguments.measures);
    require_chart_folder(arguments.charts);
    require_table_folder(arguments.page);
    const weightscope::model m = open_for(arguments.model);
    if (!arguments.diff.empty())
        return run_diff(m, arguments);
    measured_study measured = measure_with_progress(m, study_with_progress(m, arguments), arguments);
    if (measured.planned)
        return exit_status::done;
    const weightscope::quantization_study_result study = std::move(measured.study);
    const std::size_t variant = taken_variant(study, arguments);
    if (!arguments.model.csv.empty())
        write_output(arguments.model.csv, to_csv(study));
    if (!arguments.model.output.empty())
        write_output(arguments.model.output, weightscope::to_text(to_json(study)));
    write_pages(arguments.page, arguments.top_issues, [&] { return to_document(study); });
    if (!arguments.model.quiet && !uses_stdout(arguments.model))
        print(to_console(study, {.width = std::clamp<std::size_t>(terminal_width(), 60, 200),
                                 .color = wants_color(),
                                 .top_issues = arguments.top_issues}));
    if (!arguments.charts.folder.empty())
        write_charts(arguments.charts, charts_of(study), arguments.model.quiet || uses_stdout(arguments.model));
    if (tell_lost(study))
        return exit_status::unreadable;
    write_models(m, study, variant, arguments);
    return exit_status::done;
}

CLI::Validator limit()
{
    return {[](const std::string& text) {
                double value = 0;
                const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
                const bool valid = error == std::errc() && end == text.data() + text.size() && value >= 0 && std::isfinite(value);
                return valid ? std::string() : fmt::format("'{}' is no number of 0 or more", text);
            },
            ""};
}

}  // namespace

void add_quantize(CLI::App& tool, command& chosen)
{
    CLI::App* sub = tool.add_subcommand("quantize", "Measures what ways to quantize a model would store and lose, and writes one of them.");
    const auto arguments = std::make_shared<quantize_arguments>();
    quantize_arguments& a = *arguments;
    add_model_arguments(*sub, a.model);
    sub->get_option("--csv")->description("write a table with one row per variant and tensor; - is stdout");
    sub->get_option("--include")->description("quantize the tensors with a match in their name, keep the others (repeatable)");
    sub->get_option("--exclude")->description("keep those with a match in their name (repeatable)");
    sub->get_option("--restrict")->description("quantize the tensors that have one of these in their name");
    const auto add_number = [&](const std::string& name, auto& value, std::size_t least, std::size_t most,
                                const std::string& description) {
        return sub->add_option(name, value, description)->type_name("N")->check(whole_number(least, most));
    };
    add_list(*sub, "--scheme", a.schemes, "NAME",
             "intB (B = 2 to 8 or 16), then -per-tensor, -per-channel, -gN (groups of N along a row) or -block-RxC, then where "
             "wanted, in this order, -sym, -asym or -full; -half-away or -stochastic[SEED]; -scale-f16 or -scale-bf16; -mse, "
             "-percentile[P] or -norm[P]; as int8-per-channel-asym, int4-g64, int4-g128-scale-f16-mse; or another grid or a runtime's "
             "convention: fp8-e4m3, nf4-g64, mxfp4, nvfp4, q4_0, gptq-int4, torchao-int4-sym (repeatable)")
        ->check(CLI::Validator(fault_of_scheme, ""));
    sub->add_flag("--study", a.study,
                  "compare INT8 per tensor and per channel, symmetric and asymmetric, INT4 per channel and in groups, and search "
                  "group sizes; the default where nothing else is named");
    const std::vector<std::string> presets(weightscope::detail::quantization_presets.begin(), weightscope::detail::quantization_presets.end());
    add_list(*sub, "--preset", a.presets, "NAME", fmt::format("a configuration for a purpose: {} (repeatable)", fmt::join(presets, ", ")))
        ->check(one_of(presets));
    sub->add_option("--search-groups", a.search_groups,
                    "choose the group size of each layer: the largest within --max-error, or without one what loses least in the "
                    "bytes of the middle size (--study: 32,64,128)")
        ->type_name("N,N")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(whole_number(1, 1'000'000'000));
    add_number("--search-bits", a.search_bits, 2, 8, "of searched groups, and of the small codes of --max-error (4)");
    sub->add_option("--max-error", a.max_error,
                    "go from INT8 to small codes wherever a layer's error stays within X, and keep a layer as it is where even INT8 exceeds it")
        ->type_name("X")
        ->check(limit());
    add_choice(*sub, "--error-metric", a.error_metric, {"relative_error", "rmse", "mae", "max_error", "cosine_distance"},
               "what --max-error limits");
    sub->add_option("--max-loss-increase", a.options.max_loss_increase, "what the recommended variant may add to the loss that --evaluate measures (0.01)")
        ->type_name("X")
        ->check(limit());
    sub->add_option("--diff", a.diff, "instead of a study, compare these schemes or conventions with the first of them: how many dB, which groups, and why")
        ->type_name("NAME,NAME")
        ->delimiter(',')
        ->allow_extra_args(true)
        ->check(CLI::Validator(fault_of_diff, ""));
    add_measure_arguments(*sub, a.measures);
    sub->add_flag("--skip-first-last", a.skip_first_last, "keep the first and the last layer; so do --study and all presets but prototype");
    sub->add_flag("--quantize-first-last", a.quantize_first_last, "quantize them even so");
    add_list(*sub, "--sensitive", a.sensitive, "REGEX", "layers that get more bits (repeatable)")
        ->check(*sub->get_option("--include")->get_validator());
    sub->add_option("--sensitive-bits", a.sensitive_bits, "that sensitive layers have at least (8)")
        ->type_name("N")
        ->check(one_of({"2", "3", "4", "5", "6", "7", "8", "16"}));
    sub->add_flag("--embeddings", a.options.embeddings, "quantize embeddings too");
    sub->add_flag("--vectors", a.options.vectors, "quantize biases and the gains of norms too");
    add_choice(*sub, "--orientation", a.orientation, {"detect", "out_in", "in_out"}, "how matrices lie in the file");
    sub->add_option("--write", a.write, "write the model quantized and decoded again, in its own types")
        ->type_name("OUT.safetensors")
        ->check(no_stdout());
    sub->add_option("--pack", a.pack, "write packed codes, scales and zero points")->type_name("OUT.safetensors")->check(no_stdout());
    sub->add_option("--take", a.take, "the variant to write or pack (the recommended one)")->type_name("NAME");
    add_page_arguments(*sub, a.page);
    add_chart_arguments(*sub, a.charts);
    add_number("--top-issues", a.top_issues, 0, 1'000'000'000, "rows of the table of the worst layers (10)");
    add_number("--threads", a.options.threads, 1, 1024, "threads to use (one per core)");
    add_choice(*sub, "--progress", a.progress, {"auto", "always", "never"}, "show progress on stderr; auto is on a terminal");
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_with_evaluators([&] { return run_quantize(*arguments); }); }; });
}
