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

#include <weightscope/io/model.hpp>
#include <weightscope/io/onnx_weight_nodes.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/allocation_charts.hpp>
#include <weightscope/report/allocation_console.hpp>
#include <weightscope/report/allocation_csv.hpp>
#include <weightscope/report/allocation_document.hpp>
#include <weightscope/report/allocation_json.hpp>
#include <weightscope/report/allocation_recipes.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/study/allocation_plan.hpp>
#include <weightscope/study/dequantized_model.hpp>
#include <weightscope/study/packed_model.hpp>

#include "allocate_losses.hpp"
#include "arguments.hpp"
#include "chart_arguments.hpp"
#include "command.hpp"
#include "evaluator_arguments.hpp"
#include "page_arguments.hpp"
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
    allocate_loss_arguments losses;
    std::optional<double> bit_operations, latency;
    std::vector<std::string> ties, pins, least, most;
    bool no_rules = false, pareto = false;
    ws::allocation_plan_options options;
    std::string orientation = "detect";
    std::vector<std::string> recipes;
    std::string write, pack;
    page_arguments page;
    chart_arguments charts;
    std::size_t top_issues = 10;
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

ws::allocation_plan_options options_of(const allocate_arguments& a)
{
    ws::allocation_plan_options options = a.options;
    options.bits_per_weight = a.bits_per_weight;
    if (!a.size.empty())
        options.size = bytes_of(a.size);
    options.bit_operations = a.bit_operations;
    options.latency = a.latency;
    if (options.bits_per_weight && options.size)
        throw usage_error("--bits-per-weight and --size are two budgets of bytes; take one of them");
    if (!options.bits_per_weight && !options.size && !options.bit_operations && !options.latency)
        throw usage_error("there is no budget; give --bits-per-weight or --size, or --bops, or --latency-table with --latency-budget");
    if (options.latency.has_value() == a.losses.latency_table.empty())
        throw usage_error("--latency-table and --latency-budget belong together; give both or neither");
    options.candidates = a.candidates;
    options.loss = loss_of(a.losses);
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
            nodes = ws::onnx_weight_nodes(m.path);
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
        write_charts(a.charts, plot_allocation(plan), quiet);
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

int run_plan(const allocate_arguments& a)
{
    const ws::allocation_plan_options options = options_of(a);
    require_chart_folder(a.charts);
    require_table_folder(a.page);
    const ws::model m = open_for(a.model);
    const bool talks = !a.model.quiet && !uses_stdout(a.model);
    const auto with_progress = [&](const auto& work) {
        progress_line line(a.model.quiet ? progress_mode::never : progress_mode_of(a.progress));
        return work(ws::progress_callback([&](const ws::progress& state) {
            line.show(state);
            return true;
        }));
    };
    const auto sources = with_progress(
        [&](const ws::progress_callback& progress) { return find_loss_sources(m, a.losses, options, {.progress = progress, .talks = talks}); });
    if (!sources)
        return exit_status::done;
    const ws::allocation_plan plan = with_progress([&](const ws::progress_callback& progress) {
        ws::allocation_plan made = ws::plan_allocation(m, options, *sources, progress);
        return a.losses.evaluate ? evaluate_plan(m, std::move(made), a.losses, {.progress = progress, .talks = talks}) : made;
    });
    if (!a.model.csv.empty())
        write_output(a.model.csv, to_csv(plan));
    if (!a.model.output.empty())
        write_output(a.model.output, ws::to_text(to_json(plan)));
    write_pages(a.page, a.top_issues, [&] { return to_document(plan); });
    if (talks)
        print(to_console(plan, {.width = std::clamp<std::size_t>(terminal_width(), 60, 200), .color = wants_color(), .front = a.pareto}));
    const auto lost = std::find_if(plan.study.layers.begin(), plan.study.layers.end(), [](const auto& layer) { return !layer.error.empty(); });
    if (lost != plan.study.layers.end()) {
        print_error(fmt::format("{}: '{}' could not be measured: {}; it is kept, and nothing else is written", plan.study.model.path,
                                ws::printable(lost->name), lost->error));
        return exit_status::unreadable;
    }
    write_results(m, plan, a);
    return exit_status::done;
}

int run_allocate(allocate_arguments a)
{
    a.model.more_outputs = {{"--write", a.write}, {"--pack", a.pack}, {"--html", a.page.html}, {"--markdown", a.page.markdown}};
    for (const std::string& text : a.recipes)
        a.model.more_outputs.push_back({"--recipe", recipe_of(text).file});
    return run_with_evaluators([&] { return run_plan(a); });
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
        ->check(number(1e-300, 1e6, "above 0 and below 1e6"));
    sub->add_option("--size", a.size, "the budget: bytes of the packed file, such as 3.5GiB")->type_name("BYTES")->check(byte_size());
    sub->add_option("--bops", a.bit_operations,
                    "a budget of bit operations for one token: weights times bits of a weight times --activation-bits; of convolutions for one place of the image")
        ->type_name("X")
        ->check(number(0, 1e18, "of 0 or more"));
    sub->add_option("--activation-bits", a.options.activation_bits, "that --bops counts with (16)")->type_name("N")->check(whole_number(1, 64));
    sub->add_option("--latency-table", a.losses.latency_table, "what each layer takes in each format: layer, scheme (keep too), latency, as CSV or JSON")->type_name("FILE");
    sub->add_option("--latency-budget", a.latency, "and what all of them may take, in the same unit")->type_name("X")->check(number(0, 1e300, "of 0 or more"));
    sub->add_option("--candidates", a.candidates,
                    fmt::format("formats to choose from, named as by quantize --scheme, and keep ({})", fmt::join(ws::default_allocation_candidates(), ",")))
        ->type_name("NAME,NAME")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(CLI::Validator(fault_of_format, ""));
    add_loss_arguments(*sub, a.losses);
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
    add_page_arguments(*sub, a.page);
    sub->add_option("--top-issues", a.top_issues, "rows of each table of --markdown (10)")->type_name("N")->check(whole_number(0, 1'000'000'000));
    add_chart_arguments(*sub, a.charts);
    sub->add_option("--threads", a.options.threads, "threads to use (one per core)")->type_name("N")->check(whole_number(1, 1024));
    add_choice(*sub, "--progress", a.progress, {"auto", "always", "never"}, "show progress on stderr; auto is on a terminal");
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_allocate(*arguments); }; });
}
