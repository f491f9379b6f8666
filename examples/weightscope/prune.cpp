#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/io/model.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/prune_charts.hpp>
#include <weightscope/report/prune_console.hpp>
#include <weightscope/report/prune_csv.hpp>
#include <weightscope/report/prune_document.hpp>
#include <weightscope/report/prune_json.hpp>
#include <weightscope/scorers/apply_masks.hpp>
#include <weightscope/scorers/apply_pruning.hpp>
#include <weightscope/scorers/importance_files.hpp>
#include <weightscope/scorers/prune_study.hpp>

#include "arguments.hpp"
#include "chart_arguments.hpp"
#include "command.hpp"
#include "evaluator_arguments.hpp"
#include "page_arguments.hpp"
#include "progress_line.hpp"
#include "terminal.hpp"

namespace ws = weightscope;

namespace {

struct prune_arguments
{
    model_arguments model;
    std::string method = "magnitude";
    std::vector<std::string> compare, granularity;
    std::optional<double> ratio;
    std::optional<std::uint64_t> parameters;
    std::string size, pattern = "keep=2,of=4", reduction = "sum", curvature = "hessian";
    bool per_group = false, plan_only = false;
    evaluator_arguments run;
    std::string gradients, fisher, hessian_diag, activations;
    ws::study_pruning_options options;
    std::string write, masks;
    page_arguments page;
    chart_arguments charts;
    std::size_t top_issues = 10;
    std::string progress = "auto";
};

std::string fault_of_method(const std::string& text)
{
    try {
        (void)ws::parse_prune_method(text);
        return {};
    } catch (const std::invalid_argument& error) {
        return sentence_of(error);
    }
}

std::string fault_of_pattern(const std::string& text)
{
    try {
        (void)ws::parse_nm(text);
        return {};
    } catch (const std::invalid_argument& error) {
        return sentence_of(error);
    }
}

bool needs_hessian(const ws::study_pruning_options& options)
{
    return options.curvature == ws::curvature_input::hessian
        && std::any_of(options.methods.begin(), options.methods.end(),
                       [](const ws::prune_method& method) { return method.needs().curvature || method.score == ws::prune_score::automatic; });
}

ws::study_pruning_options options_of(const prune_arguments& a)
{
    ws::study_pruning_options options = a.options;
    options.methods = {ws::parse_prune_method(a.method)};
    for (const std::string& name : a.compare)
        if (std::none_of(options.methods.begin(), options.methods.end(), [&](const ws::prune_method& method) { return method.name == name; }))
            options.methods.push_back(ws::parse_prune_method(name));
    options.names = a.model.names;
    options.nm = ws::parse_nm(a.pattern);
    if (a.ratio)
        options.selection.ratio = *a.ratio;
    options.selection.parameters = a.parameters;
    if (!a.size.empty())
        options.selection.bytes = bytes_of(a.size);
    for (const ws::group_reduction r : {ws::group_reduction::average, ws::group_reduction::largest, ws::group_reduction::vectorised})
        if (to_string(r) == a.reduction)
            options.group_scores.reduction = r;
    options.group_scores.per_parameter = !a.per_group;
    options.curvature = a.curvature == "fisher" ? ws::curvature_input::fisher : ws::curvature_input::hessian;
    if (a.granularity.empty())
        return options;
    for (const ws::prune_unit unit : {ws::prune_unit::weight, ws::prune_unit::global, ws::prune_unit::row, ws::prune_unit::nm})
        if (a.granularity.front() == to_string(unit))
            options.unit = unit;
    if (options.unit != ws::prune_unit::group) {
        if (a.granularity.size() > 1)
            throw usage_error(fmt::format("--granularity: {} stands alone, and {} is given beside it", a.granularity[0], a.granularity[1]));
        return options;
    }
    options.groups.kinds.clear();
    for (const std::string& name : a.granularity) {
        const auto kind = ws::parse_group_kind(name == "channel" ? "mlp_channel" : name);
        if (!kind)
            throw usage_error(fmt::format("--granularity: {} stands alone, and {} is given beside it", name, a.granularity.front()));
        options.groups.kinds.push_back(*kind);
    }
    return options;
}

void require_consistent(const prune_arguments& a)
{
    const int targets = (a.ratio ? 1 : 0) + (a.parameters ? 1 : 0) + (a.size.empty() ? 0 : 1);
    if (targets > 1)
        throw usage_error("--ratio, --params and --size each say how much goes; give one of them");
    require_consistent(a.run);
    if (a.options.selection.uniform && (a.options.selection.freeze_first + a.options.selection.freeze_last > 0 || !a.options.selection.freeze_layers.empty()))
        throw usage_error("--uniform and frozen layers contradict each other: layers would differ in width; leave one of them out");
}

// --write and --masks, each told before it is done.
void write_models(const ws::model& m, const ws::prune_result& result, const prune_arguments& a)
{
    const auto tell = [&](const std::string& text) {
        if (!a.model.quiet && !uses_stdout(a.model))
            print(text);
    };
    const bool groups = result.settings.unit == ws::prune_unit::group;
    if (!a.write.empty()) {
        tell(fmt::format("\nwriting {}\n", a.write));
        const interrupts_held held;
        const ws::written_model written = groups ? ws::write_pruned(a.write, m, result.groups, result.chosen().selection.removed)
                                                 : ws::write_pruned(a.write, m, result.chosen().masks);
        tell(fmt::format("{}{}\n", fmt::join(written.files, ", "),
                         written.plain ? std::string() : fmt::format("; only weightscope opens this as it is: {}", written.reason)));
    }
    if (!a.masks.empty()) {
        tell(fmt::format("\nwriting the model in its own shapes, with zeros for what goes, as {}\n", a.masks));
        const interrupts_held held;
        ws::write_masked(a.masks, m, result.chosen().masks);
    }
}

void show_plan(const ws::prune_plan& plan, const std::vector<std::string>& notes)
{
    std::string text;
    for (const std::string& note : notes)
        text += note + "\n";
    for (const std::string& line : plan.lines)
        text += "plan: " + line + "\n";
    text += fmt::format("plan: about {:.3g} s and {:.3g} MB of memory beyond the model's\n", plan.seconds, plan.memory_bytes / 1e6);
    print(text + "\n");
}

int run_study(const prune_arguments& a)
{
    require_consistent(a);
    require_chart_folder(a.charts);
    require_table_folder(a.page);
    ws::study_pruning_options options = options_of(a);
    const ws::model m = open_for(a.model);
    const bool wide = needs_hessian(options) && a.hessian_diag.empty() && a.fisher.empty();
    opened_evaluators evaluators = open_evaluators(a.run, m, {.seed = options.seed, .wide_scoring = wide});
    options.fingerprint = evaluators.fingerprint;
    ws::prune_sources sources;
    if (evaluators.exist()) {
        evaluators.with_scoring([&](auto& evaluator) { sources.calibrate_with(evaluator); });
        evaluators.with_measuring([&](auto& evaluator) { sources.measure_with(evaluator); });
    }
    std::vector<ws::weight_info> weights;
    for (const ws::named_tensor& t : m.tensors)
        weights.push_back({.name = t.name, .shape = t.shape, .dtype = t.dtype});
    const ws::importance_files_result files = ws::read_importance_files(
        weights,
        {.gradients = a.gradients, .squared_gradients = a.fisher, .hessian_diag = a.hessian_diag, .activations = a.activations});
    sources.data.add(files.data);
    evaluators.notes.insert(evaluators.notes.end(), files.missing.begin(), files.missing.end());
    const bool talks = !a.model.quiet && !uses_stdout(a.model);
    if (talks || a.plan_only)
        show_plan(ws::plan_pruning(m, sources, options), evaluators.notes);
    if (a.plan_only)
        return exit_status::done;
    ws::prune_result result = [&] {
        progress_line line(a.model.quiet ? progress_mode::never : progress_mode_of(a.progress));
        return ws::study_pruning(m, sources, options, [&](const ws::progress& state) {
            line.show(state);
            return true;
        });
    }();
    result.notes.insert(result.notes.end(), evaluators.notes.begin(), evaluators.notes.end());
    if (!a.model.csv.empty())
        write_output(a.model.csv, to_csv(result));
    write_pages(a.page, a.top_issues, [&] { return to_document(result); });
    if (!a.model.output.empty())
        write_output(a.model.output, ws::to_text(to_json(result)));
    if (talks)
        print(to_console(result, {.width = std::clamp<std::size_t>(terminal_width(), 60, 200), .color = wants_color(), .top_issues = a.top_issues}));
    if (!a.charts.folder.empty())
        write_charts(a.charts, ws::plot_pruning(result), !talks);
    write_models(m, result, a);
    return exit_status::done;
}

int run_prune(prune_arguments a)
{
    a.model.more_outputs = {{"--masks", a.masks}, {"--html", a.page.html}, {"--markdown", a.page.markdown}};
    try {
        return run_with_evaluators([&] { return run_study(a); });
    } catch (const usage_error& error) {
        constexpr std::string_view field = "options.head_count";  // as a program gives it
        std::string what = error.what();
        if (const std::size_t at = what.find(field); at != std::string::npos)
            what.replace(at, field.size(), "--heads N");
        throw usage_error(what);
    }
}

void add_choices(CLI::App& sub, prune_arguments& a)
{
    const CLI::Validator method(fault_of_method, "");
    sub.add_option("--method", a.method,
                   "what says how much a weight or a group matters: magnitude, taylor, taylor_2nd, taylor_2nd_signed, wanda, random, mixed, a "
                   "mixture such as mixed:taylor+0.5*wanda; of groups also ablation, probe, and screening, which measures those that Taylor finds "
                   "lowest (screening:magnitude: that magnitude does); auto tries several (magnitude)")
        ->type_name("NAME")
        ->check(method);
    add_list(sub, "--compare", a.compare, "NAME,NAME", "methods to show beside it")->delimiter(',')->check(method);
    sub.add_option("--granularity", a.granularity,
                   "what goes: kv_group, query_head, channel, attention, mlp, block, expert; or single weights, zeros in the same shapes, "
                   "compared within their matrix (weight), all (global), their row (row) or blocks (nm) (kv_group,channel)")
        ->type_name("G,G")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(one_of({"kv_group", "query_head", "channel", "attention", "mlp", "block", "expert", "weight", "global", "row", "nm"}));
    sub.add_option("--ratio", a.ratio, "share that goes: of the model's parameters, or of the weights of its layers where single weights go (0.25)")
        ->type_name("R")
        ->check(number(0, 1, "from 0 to below 1"));
    sub.add_option("--params", a.parameters, "parameters that may be left")->type_name("N")->check(whole_number(1, ~std::size_t{0} / 2));
    sub.add_option("--size", a.size, "bytes of weights that may be left, as 3.5GiB")->type_name("B")->check(byte_size());
    sub.add_option("--pattern", a.pattern, "of --granularity nm (keep=2,of=4)")->type_name("keep=N,of=M")->check(CLI::Validator(fault_of_pattern, ""));
    add_choice(sub, "--reduction", a.reduction, {"sum", "average", "largest", "vectorised"}, "how scores of weights become that of a group");
    sub.add_flag("--per-group", a.per_group, "order groups by their importance, not by importance per parameter");
}

void add_sources(CLI::App& sub, prune_arguments& a)
{
    const auto add_number = [&](const std::string& name, auto& value, std::size_t least, const std::string& description) {
        return sub.add_option(name, value, description)->type_name("N")->check(whole_number(least, 1'000'000'000));
    };
    const auto add_file = [&](const std::string& name, std::string& value, const std::string& description) {
        sub.add_option(name, value, description)->type_name("FILE");
    };
    add_evaluator_arguments(sub, a.run);
    add_file("--gradients", a.gradients, "arrays of dL/dw under the weights' names");
    add_file("--fisher", a.fisher, "arrays of mean squared gradients");
    add_file("--hessian-diag", a.hessian_diag, "arrays of the Hessian diagonal");
    add_file("--activations", a.activations, "statistics or norms of the layers' inputs, or an imatrix file");
    add_choice(sub, "--curvature", a.curvature, {"hessian", "fisher"}, "what to collect for the second order");
    add_number("--probes", a.options.probes, 2, "for the Hessian diagonal (8)");
    sub.add_option("--resolution", a.options.resolution, "standard errors that a collected curvature must reach to count (0)")
        ->type_name("X")
        ->check(number(0, 1000, "from 0 to below 1000"));
    add_number("--drop-first-of", a.options.drop_first_of, 0, "tokens of a row, the first of which does not count among the inputs (0: all count)");
    add_number("--heads", a.options.groups.head_count, 1, "query heads of the first layer, where no config.json says it");
}

}  // namespace

void add_prune(CLI::App& tool, command& chosen)
{
    CLI::App* sub = tool.add_subcommand("prune", "Chooses what to take out of a model, measures what is left, and writes it.");
    const auto arguments = std::make_shared<prune_arguments>();
    prune_arguments& a = *arguments;
    add_model_arguments(*sub, a.model);
    sub->get_option("--csv")->description("write a table with one row per group, the first to go first, or per matrix; - is stdout");
    sub->get_option("--include")->description("only tensors with a match in their name may lose weights (repeatable)");
    sub->get_option("--exclude")->description("those with a match in their name may not (repeatable)");
    sub->get_option("--restrict")->description("only tensors that have one of these in their name may");
    add_choices(*sub, a);
    add_sources(*sub, a);
    const auto add_number = [&](const std::string& name, auto& value, std::size_t least, std::size_t most, const std::string& description) {
        return sub->add_option(name, value, description)->type_name("N")->check(whole_number(least, most));
    };
    ws::selection_options& s = a.options.selection;
    add_number("--freeze-first", s.freeze_first, 0, 1'000'000, "layers at the beginning that stay as they are (0)");
    add_number("--freeze-last", s.freeze_last, 0, 1'000'000, "layers at the end that do (0)");
    sub->add_option("--freeze", s.freeze_layers, "other layers that do")->type_name("N,N")->delimiter(',')->allow_extra_args(false)->check(whole_number(0, 1'000'000));
    sub->add_option("--least-kept", s.least_kept, "share of a layer's groups of one kind that stays (0: one group)")->type_name("R")->check(number(0, 1.0000001, "from 0 to 1"));
    sub->add_option("--most-per-layer", s.most_per_layer, "share of a layer's parameters that may go (1)")->type_name("R")->check(number(0, 1.0000001, "from 0 to 1"));
    sub->add_flag("--uniform", s.uniform, "take the same number of groups from every layer, so that other libraries can load what is left");
    add_number("--validate", a.options.validate, 10, 1'000'000, "remove N groups or weights for real, to see how far each method can be trusted");
    sub->add_option("--seed", a.options.seed, "of all that is random (0)")->type_name("N")->check(whole_number(0, ~std::size_t{0} / 2));
    sub->add_flag("--plan", a.plan_only, "say what it would cost, and stop");
    sub->add_option("--write", a.write, "write the smaller model as a folder")->type_name("DIR")->check(no_stdout());
    sub->add_option("--masks", a.masks, "write the model in its own shapes with zeros for what goes")->type_name("OUT.safetensors")->check(no_stdout());
    add_page_arguments(*sub, a.page);
    add_number("--top-issues", a.top_issues, 0, 1'000'000'000, "groups or matrices that are listed (10)");
    add_chart_arguments(*sub, a.charts);
    add_number("--threads", a.options.threads, 1, 1024, "threads to use (one per core)");
    add_choice(*sub, "--progress", a.progress, {"auto", "always", "never"}, "show progress on stderr; auto is on a terminal");
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_prune(*arguments); }; });
}
