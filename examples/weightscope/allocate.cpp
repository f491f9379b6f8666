#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
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

#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/allocation_console.hpp>
#include <weightscope/report/allocation_csv.hpp>
#include <weightscope/report/allocation_json.hpp>
#include <weightscope/report/allocation_recipes.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/plot_points.hpp>
#include <weightscope/scorers/importance_files.hpp>
#include <weightscope/study/allocation_plan.hpp>
#include <weightscope/study/allocation_table_file.hpp>
#include <weightscope/study/dequantized_model.hpp>
#include <weightscope/study/onnx_weight_nodes.hpp>
#include <weightscope/study/packed_model.hpp>

#include "arguments.hpp"
#include "chart_arguments.hpp"
#include "command.hpp"
#include "progress_line.hpp"
#include "terminal.hpp"

namespace {

namespace ws = weightscope;

struct allocate_arguments
{
    model_arguments model;
    std::optional<double> bits_per_weight;
    std::string size;
    std::vector<std::string> candidates;
    std::string loss = "auto", sensitivity, activations, hessian_diag, fisher, trace;
    std::vector<std::string> ties, pins, least, most;
    bool no_rules = false, pareto = false;
    ws::allocation_plan_options options;
    std::string orientation = "detect";
    std::vector<std::string> recipes;
    std::string write, pack;
    chart_arguments charts;
    std::string progress = "auto";
};

// "REGEX=VALUE", cut at the last equals sign
std::pair<std::string, std::string> pair_of(const std::string& text)
{
    const std::size_t at = text.rfind('=');
    return {text.substr(0, at), text.substr(at + 1)};
}

struct wanted_recipe
{
    ws::recipe_format format = ws::recipe_format::json;
    std::string file = {};
};

// "FORMAT=FILE", cut at the first one
wanted_recipe recipe_of(const std::string& text)
{
    const std::size_t at = text.find('=');
    const auto found = std::find(std::begin(ws::recipe_names), std::end(ws::recipe_names), std::string_view(text).substr(0, at));
    return {.format = static_cast<ws::recipe_format>(found - std::begin(ws::recipe_names)), .file = text.substr(at + 1)};
}

std::string fault_of_format(const std::string& name)
{
    if (name == "keep")
        return {};
    try {
        (void)ws::parse_scheme(name);
        return {};
    } catch (const std::invalid_argument& error) {
        return sentence_of(error);
    }
}

std::string fault_of_pin(const std::string& text)
{
    const std::size_t at = text.rfind('=');
    return at == text.npos || at == 0 ? fmt::format("'{}' is no REGEX=FORMAT", text) : fault_of_format(text.substr(at + 1));
}

std::optional<double> bits_in(const std::string& text)
{
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool valid = error == std::errc() && end == text.data() + text.size() && std::isfinite(value) && value >= 0;
    return valid ? std::optional(value) : std::nullopt;
}

std::string fault_of_limit(const std::string& text)
{
    const std::size_t at = text.rfind('=');
    return at == text.npos || at == 0 || !bits_in(text.substr(at + 1)) ? fmt::format("'{}' is no REGEX=BITS", text) : std::string();
}

std::string fault_of_recipe(const std::string& text)
{
    const std::size_t at = text.find('=');
    const std::string names = fmt::format("{}", fmt::join(ws::recipe_names, ", "));
    if (at == text.npos || at + 1 == text.size())
        return fmt::format("'{}' is no FORMAT=FILE, FORMAT being one of {}", text, names);
    if (text.substr(at + 1) == "-")
        return "'-' is no file name; a recipe cannot go to stdout";
    const auto found = std::find(std::begin(ws::recipe_names), std::end(ws::recipe_names), std::string_view(text).substr(0, at));
    return found == std::end(ws::recipe_names) ? fmt::format("'{}' is none of {}", text.substr(0, at), names) : std::string();
}

// What the files say, and what `auto` makes of them.
ws::allocation_loss loss_of(const allocate_arguments& a)
{
    std::vector<std::string> files;
    ws::allocation_loss loss = ws::allocation_loss::relative_error;
    const auto consider = [&](const std::string& file, const char* option, ws::allocation_loss meant) {
        if (file.empty())
            return;
        files.emplace_back(option);
        loss = meant;
    };
    consider(a.sensitivity, "--sensitivity", ws::allocation_loss::given);
    consider(a.activations, "--imatrix", ws::allocation_loss::relative_activation_error);
    consider(a.hessian_diag, "--hessian-diag", ws::allocation_loss::curvature);
    consider(a.fisher, "--fisher", ws::allocation_loss::fisher);
    consider(a.trace, "--trace", ws::allocation_loss::curvature);
    if (files.size() > 1)
        throw usage_error(fmt::format("{} each say what the loss is; take one of them", fmt::join(files, " and ")));
    if (a.loss == "auto")
        return loss;
    for (int i = 0; i <= static_cast<int>(ws::allocation_loss::given); ++i)
        if (to_string(static_cast<ws::allocation_loss>(i)) == a.loss)
            loss = static_cast<ws::allocation_loss>(i);
    const auto needs = [&](bool is_meant, bool there, const char* option) {
        if (is_meant && !there)
            throw usage_error(fmt::format("--loss {} needs {}", a.loss, option));
    };
    needs(loss == ws::allocation_loss::given, !a.sensitivity.empty(), "--sensitivity");
    needs(loss == ws::allocation_loss::activation_error || loss == ws::allocation_loss::relative_activation_error, !a.activations.empty(), "--imatrix");
    needs(loss == ws::allocation_loss::curvature, !a.hessian_diag.empty() || !a.trace.empty(), "--hessian-diag or --trace");
    needs(loss == ws::allocation_loss::fisher, !a.fisher.empty(), "--fisher");
    return loss;
}

ws::allocation_plan_options options_of(const allocate_arguments& a)
{
    ws::allocation_plan_options options = a.options;
    options.bits_per_weight = a.bits_per_weight;
    if (!a.size.empty())
        options.size = bytes_of(a.size);
    if (options.bits_per_weight.has_value() == options.size.has_value())
        throw usage_error(options.size ? "--bits-per-weight and --size are two budgets; take one of them"
                                       : "there is no budget; give --bits-per-weight or --size");
    options.candidates = a.candidates;
    options.loss = loss_of(a);
    options.ties = a.ties;
    for (const std::string& text : a.pins)
        options.pins.push_back({.pattern = pair_of(text).first, .format = pair_of(text).second});
    for (const std::string& text : a.least)
        options.least_bits.push_back({.pattern = pair_of(text).first, .bits = *bits_in(pair_of(text).second)});
    for (const std::string& text : a.most)
        options.most_bits.push_back({.pattern = pair_of(text).first, .bits = *bits_in(pair_of(text).second)});
    options.rules = !a.no_rules;
    options.orientation = orientation_of(a.orientation);
    options.include = a.model.names.include;
    options.exclude = a.model.names.exclude;
    options.restrict_to = a.model.names.restrict_to;
    return options;
}

ws::allocation_sources sources_of(const ws::model& m, const allocate_arguments& a, std::vector<std::string>& missing)
{
    ws::allocation_sources sources;
    for (const std::string* file : {&a.sensitivity, &a.activations, &a.hessian_diag, &a.fisher, &a.trace})
        if (!file->empty())
            sources.name = *file;
    if (!a.sensitivity.empty())
        sources.losses = ws::read_allocation_losses(a.sensitivity);
    if (!a.trace.empty())
        sources.traces = ws::read_hessian_traces(a.trace);
    if (a.activations.empty() && a.hessian_diag.empty() && a.fisher.empty())
        return sources;
    std::vector<ws::weight_info> weights;
    for (const ws::named_tensor& t : m.tensors)
        weights.push_back({.name = t.name, .shape = t.shape, .dtype = t.dtype});
    ws::importance_files_result files =
        ws::read_importance_files(weights, {.squared_gradients = a.fisher, .hessian_diag = a.hessian_diag, .activations = a.activations});
    sources.data = std::move(files.data);
    missing = std::move(files.missing);
    return sources;
}

ws::chart front_chart(const ws::allocation_plan& plan)
{
    std::vector<ws::allocation_point> points;
    const std::size_t step = plan.front.size() / 200 + 1;
    for (std::size_t i = 0; i < plan.front.size(); i += step)
        points.push_back({.bits_per_weight = plan.front[i].bits_per_weight, .loss = plan.front[i].loss});
    const auto parameters = static_cast<double>(std::max<std::size_t>(plan.study.model.parameters, 1));
    for (const ws::plan_rule& rule : plan.rules)
        points.push_back({.bits_per_weight = 8 * static_cast<double>(rule.bytes) / parameters, .loss = rule.loss, .name = rule.name});
    points.push_back({.bits_per_weight = plan.bits_per_weight, .loss = plan.solution.loss, .name = "plan", .chosen = true});
    return plot_allocation_front(points, ws::detail::allocation_loss_words(plan.settings.loss));
}

void write_results(const ws::model& m, const ws::allocation_plan& plan, const allocate_arguments& a)
{
    const bool quiet = a.model.quiet || uses_stdout(a.model);
    const auto tell = [&](const std::string& text) {
        if (!quiet)
            print(text);
    };
    ws::weight_nodes nodes;
    for (const std::string& text : a.recipes) {
        const wanted_recipe wanted = recipe_of(text);
        if (wanted.format == ws::recipe_format::onnxruntime && nodes.empty() && m.format.starts_with("ONNX"))
            nodes = ws::onnx_weight_nodes(m.tensors.front().file ? m.tensors.front().file->path() : m.path);
        const ws::quantization_recipe recipe = ws::to_recipe(plan, wanted.format, nodes);
        write_output(wanted.file, recipe.text);
        tell(fmt::format("\n{} for {}: {} bytes of tensors there\n", ws::printable(wanted.file),
                         ws::recipe_names[static_cast<std::size_t>(wanted.format)], fmt::group_digits(recipe.bytes)));
        constexpr std::size_t most = 10;
        for (std::size_t i = 0; i < std::min(most, recipe.notes.size()); ++i)
            tell(fmt::format("  {}\n", recipe.notes[i]));
        if (recipe.notes.size() > most)
            tell(fmt::format("  and {} more\n", recipe.notes.size() - most));
    }
    if (!a.charts.folder.empty())
        write_charts(a.charts, std::vector{front_chart(plan)}, quiet);
    if (!a.write.empty()) {
        tell(fmt::format("\nwriting the plan as {}, decoded to the model's own types\n", a.write));
        const interrupts_held held;
        ws::write_dequantized(a.write, m, plan.study, plan.variant);
    }
    if (!a.pack.empty()) {
        tell(fmt::format("\npacking the plan as {}: {} bytes\n", a.pack, fmt::group_digits(plan.file_bytes)));
        const interrupts_held held;
        ws::write_packed(a.pack, m, plan.study, plan.variant);
    }
}

int run_allocate(allocate_arguments a)
{
    a.model.more_outputs = {{"--write", a.write}, {"--pack", a.pack}};
    for (const std::string& text : a.recipes)
        a.model.more_outputs.push_back({"--recipe", recipe_of(text).file});
    const ws::allocation_plan_options options = options_of(a);
    require_chart_folder(a.charts);
    const ws::model m = open_for(a.model);
    std::vector<std::string> missing;
    const ws::allocation_sources sources = sources_of(m, a, missing);
    try {
        ws::allocation_plan plan = [&] {
            progress_line line(a.model.quiet ? progress_mode::never : progress_mode_of(a.progress));
            return ws::plan_allocation(m, options, sources, [&](const ws::progress& state) {
                line.show(state);
                return true;
            });
        }();
        plan.notes.insert(plan.notes.end(), missing.begin(), missing.end());
        if (!a.model.csv.empty())
            write_output(a.model.csv, to_csv(plan));
        if (!a.model.output.empty())
            write_output(a.model.output, ws::to_text(to_json(plan)));
        if (!a.model.quiet && !uses_stdout(a.model))
            print(to_console(plan, {.width = std::clamp<std::size_t>(terminal_width(), 60, 200), .color = wants_color(), .front = a.pareto}));
        const auto lost = std::find_if(plan.study.layers.begin(), plan.study.layers.end(), [](const auto& layer) { return !layer.error.empty(); });
        if (lost != plan.study.layers.end()) {
            print_error(fmt::format("{}: '{}' could not be measured: {}; it is kept, and nothing else is written", plan.study.model.path,
                                    ws::printable(lost->name), lost->error));
            return exit_status::unreadable;
        }
        write_results(m, plan, a);
    } catch (const std::invalid_argument& error) {
        throw usage_error(sentence_of(error));
    }
    return exit_status::done;
}

void add_loss_arguments(CLI::App& sub, allocate_arguments& a)
{
    const auto add_file = [&](const char* name, std::string& file, const char* description) {
        sub.add_option(name, file, description)->type_name("FILE");
    };
    add_choice(sub, "--loss", a.loss,
               {"auto", "error", "relative_error", "activation_error", "relative_activation_error", "curvature", "fisher", "given"},
               "what counts as the loss of a layer; auto is what the files below are for, else relative_error");
    add_file("--sensitivity", a.sensitivity, "losses of your own: layer, scheme, value and where known standard_error, as CSV or JSON");
    add_file("--imatrix,--activations", a.activations, "what the inputs of layers look like: an imatrix or arrays of activations; weights errors by them");
    add_file("--hessian-diag", a.hessian_diag, "arrays of the Hessian diagonal");
    add_file("--fisher", a.fisher, "arrays of mean squared gradients");
    add_file("--trace", a.trace, "traces of the Hessian: layer, trace and where known standard_error, as CSV or JSON");
}

}  // namespace

void add_allocate(CLI::App& tool, command& chosen)
{
    CLI::App* sub = tool.add_subcommand("allocate", "Gives each layer the format that makes the whole lose least within a budget.");
    const auto arguments = std::make_shared<allocate_arguments>();
    allocate_arguments& a = *arguments;
    add_model_arguments(*sub, a.model);
    sub->get_option("--csv")->description("write a table with one row per tensor; - is stdout");
    sub->get_option("--include")->description("plan the tensors with a match in their name, keep the others (repeatable)");
    sub->get_option("--exclude")->description("keep those with a match in their name (repeatable)");
    sub->get_option("--restrict")->description("plan the tensors that have one of these in their name");
    sub->add_option("--bits-per-weight", a.bits_per_weight, "the budget: of all weights, scales and what is kept included")
        ->type_name("X")
        ->check(number(0, 1e6, "number of 0 or more"));
    sub->add_option("--size", a.size, "the budget: bytes of the packed file, such as 3.5GiB")->type_name("BYTES")->check(byte_size());
    sub->add_option("--candidates", a.candidates,
                    fmt::format("formats to choose from, named as by quantize --scheme, and keep ({})", fmt::join(ws::default_allocation_candidates(), ",")))
        ->type_name("NAME,NAME")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(CLI::Validator(fault_of_format, ""));
    add_loss_arguments(*sub, a);
    const CLI::Validator regex = *sub->get_option("--include")->get_validator();
    add_list(*sub, "--tie", a.ties, "REGEX", "layers that it matches take one format; with groups ( ), those that these match alike (repeatable)")->check(regex);
    add_list(*sub, "--pin", a.pins, "REGEX=FORMAT", "layers that take this format (repeatable)")->check(CLI::Validator(fault_of_pin, ""));
    add_list(*sub, "--min", a.least, "REGEX=BITS", "layers that take at least so many bits per weight (repeatable)")->check(CLI::Validator(fault_of_limit, ""));
    add_list(*sub, "--max", a.most, "REGEX=BITS", "layers that take at most so many (repeatable)")->check(CLI::Validator(fault_of_limit, ""));
    sub->add_flag("--no-rules", a.no_rules, "leave the comparison with rules of thumb out");
    sub->add_flag("--low-rank", a.options.low_rank, "also tell what two factors would keep of each matrix");
    sub->add_flag("--pareto", a.pareto, "also print the front of size and loss");
    sub->add_flag("--embeddings", a.options.embeddings, "plan embeddings too");
    sub->add_flag("--vectors", a.options.vectors, "plan biases and the gains of norms too");
    add_choice(*sub, "--orientation", a.orientation, {"detect", "out_in", "in_out"}, "how matrices lie in the file");
    add_list(*sub, "--recipe", a.recipes, "FORMAT=FILE", fmt::format("write the plan for another tool: {} (repeatable)", fmt::join(ws::recipe_names, ", ")))
        ->check(CLI::Validator(fault_of_recipe, ""));
    sub->add_option("--write", a.write, "write the model quantized and decoded again, in its own types")->type_name("OUT.safetensors")->check(no_stdout());
    sub->add_option("--pack", a.pack, "write packed codes, scales and zero points")->type_name("OUT.safetensors")->check(no_stdout());
    add_chart_arguments(*sub, a.charts);
    sub->add_option("--threads", a.options.threads, "threads to use (one per core)")->type_name("N")->check(whole_number(1, 1024));
    add_choice(*sub, "--progress", a.progress, {"auto", "always", "never"}, "show progress on stderr; auto is on a terminal");
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_allocate(*arguments); }; });
}
