#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
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
#include <weightscope/evaluators/process_evaluator.hpp>
#include <weightscope/evaluators/read_tokens.hpp>
#include <weightscope/evaluators/transformer.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/evaluators/transformer_config_gguf.hpp>
#include <weightscope/io/gguf_names.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/tokenizer.hpp>
#include <weightscope/report/console.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/prune_console.hpp>
#include <weightscope/report/prune_csv.hpp>
#include <weightscope/report/prune_json.hpp>
#include <weightscope/scorers/apply_masks.hpp>
#include <weightscope/scorers/apply_pruning.hpp>
#include <weightscope/scorers/calibration.hpp>
#include <weightscope/scorers/group_blocks.hpp>
#include <weightscope/scorers/importance_files.hpp>
#include <weightscope/scorers/prune_study.hpp>

#include "arguments.hpp"
#include "command.hpp"
#include "progress_line.hpp"
#include "terminal.hpp"

namespace ws = weightscope;
namespace fs = std::filesystem;

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
    std::string data, text, evaluator, eval_data;
    std::size_t num_samples = 128, eval_samples = 1024, context = 512, batch_size = 8;
    std::optional<std::int32_t> predict_after;
    std::string rope = "config";
    ws::importance_files files;
    std::string gradients, fisher, hessian_diag, activations;
    ws::study_pruning_options options;
    std::string write, masks;
    std::size_t top_issues = 10;
    std::string progress = "auto";
};

// The evaluators of a run, and the data that they run on.
struct prune_evaluators
{
    ws::sliced_model wide;  // that the first evaluator may refer to
    std::unique_ptr<ws::transformer<float>> calibration, measuring;
#ifdef WEIGHTSCOPE_PROCESSES
    std::unique_ptr<ws::process_evaluator> process;
#endif
    std::vector<std::string> notes;
};

// The sentence of a library's message, without the name of the function that says it.
std::string sentence_of(const std::exception& error)
{
    const std::string_view text = error.what();
    const std::size_t colon = text.starts_with("weightscope::") ? text.find("): ") : std::string_view::npos;
    return std::string(colon == std::string_view::npos ? text : text.substr(colon + 3));
}

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

// "3.5GiB", "500MB", "123456".
std::optional<std::uint64_t> bytes_of(const std::string& text)
{
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    constexpr std::pair<std::string_view, double> units[] = {{"", 1},      {"B", 1},     {"kB", 1e3},      {"KB", 1e3},     {"MB", 1e6},
                                                             {"GB", 1e9},  {"TB", 1e12}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30},
                                                             {"TiB", 0x1p40}};
    if (error != std::errc() || !(value >= 0))
        return std::nullopt;
    for (const auto& [name, factor] : units)
        if (unit == name && value * factor < 0x1p63)
            return static_cast<std::uint64_t>(value * factor);
    return std::nullopt;
}

ws::transformer_config config_of(const ws::model& m)
{
    if (ws::has_gguf_names(m))
        return ws::read_transformer_config(m);
    const auto path = ws::detail::find_config(m);
    if (!path)
        throw usage_error(fmt::format("{}: no config.json lies beside the weights, which running the model needs; use --evaluator", m.path.string()));
    return ws::read_transformer_config(*path);
}

ws::token_rows read_rows(const prune_arguments& a, const ws::model& m, std::size_t length)
{
    if (!a.data.empty())
        return ws::read_tokens(a.data, {.length = length});
    std::ifstream file(a.text, std::ios::binary);
    if (!file)
        throw ws::io_error(a.text, std::nullopt, {}, "cannot be read; check the path");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    std::error_code error;
    const fs::path folder = fs::is_directory(m.path, error) ? m.path : m.path.parent_path();
    return ws::cut_tokens(ws::read_tokenizer(folder / "tokenizer.json").encode(text), length);
}

// Rows that were not drawn and say something new; at most `count`.
ws::token_rows other_rows(const ws::token_rows& rows, const std::vector<std::size_t>& drawn, std::size_t count)
{
    const ws::repeated_rows_result repeated = ws::detect_repeated_rows(rows, {.overlap = 0});
    ws::token_rows result{.tokens = {}, .rows = 0, .length = rows.length};
    for (std::size_t r = 0; r < rows.rows && result.rows < count; ++r)
        if (!std::binary_search(drawn.begin(), drawn.end(), r)
            && !std::binary_search(repeated.repeated_rows.begin(), repeated.repeated_rows.end(), r)) {
            const auto begin = rows.tokens.begin() + static_cast<std::ptrdiff_t>(r * rows.length);
            result.tokens.insert(result.tokens.end(), begin, begin + static_cast<std::ptrdiff_t>(rows.length));
            ++result.rows;
        }
    return result;
}

// The model with its 16-bit weights as floats: in 16 bits a weight is often moved by nothing, or by far more than was meant.
ws::sliced_model widened(const ws::model& m)
{
    ws::sliced_model result{.smaller = m};
    for (ws::named_tensor& t : result.smaller.tensors) {
        if (t.dtype != ws::dtype::bfloat16 && t.dtype != ws::dtype::float16)
            continue;
        std::vector<std::byte>& bytes = result.bytes.emplace_back(t.size() * sizeof(float));
        ws::visit(t, [&](const auto& weights) {
            float* out = reinterpret_cast<float*>(bytes.data());
            for (const auto& w : weights)
                *out++ = static_cast<float>(w);
        });
        t.dtype = ws::dtype::float32;
        t.bytes = bytes;
        t.decoder = nullptr;
        t.file = nullptr;
    }
    return result;
}

bool needs_hessian(const ws::study_pruning_options& options)
{
    return options.curvature == ws::curvature_input::hessian
        && std::any_of(options.methods.begin(), options.methods.end(),
                       [](const ws::prune_method& method) { return method.needs().curvature || method.score == ws::prune_score::automatic; });
}

prune_evaluators open_evaluators(const prune_arguments& a, const ws::model& m, ws::study_pruning_options& options)
{
    prune_evaluators result;
    if (!a.evaluator.empty()) {
#ifdef WEIGHTSCOPE_PROCESSES
        result.process = std::make_unique<ws::process_evaluator>(a.evaluator, m);
        result.notes.push_back("scores and losses are from the same batches: those of the evaluator");
        return result;
#else
        throw usage_error("--evaluator: this system starts no processes; use --data or --text");
#endif
    }
    if (a.data.empty() && a.text.empty())
        return result;
    const ws::transformer_config shape = config_of(m);
    ws::transformer_options how{.batch_size = a.batch_size, .predict_after = a.predict_after};
    if (a.rope != "config")
        how.rope = a.rope == "interleaved" ? ws::rope_layout::interleaved : ws::rope_layout::half_split;
    const std::size_t length = std::min(a.context, shape.max_positions);
    const ws::token_rows rows = read_rows(a, m, length);
    const ws::calibration_result drawn = ws::select_calibration(rows, {.samples = a.num_samples, .seed = options.seed});
    options.fingerprint = drawn.fingerprint;
    ws::token_rows held_out = a.eval_data.empty() ? other_rows(rows, drawn.chosen, a.eval_samples)
                                                  : ws::read_tokens(a.eval_data, {.length = length});
    if (held_out.rows == 0) {
        held_out = drawn.rows;
        result.notes.push_back(fmt::format("all {} rows of tokens calibrate: losses are measured on them too; take fewer with --num-samples, or give "
                                           "--eval-data",
                                           rows.rows));
    }
    if (drawn.repeated_count > 0)
        result.notes.push_back(fmt::format("{} rows of tokens were left out, because others are equal to them", drawn.repeated_count));
    if (drawn.overlapping_count > 0)
        result.notes.push_back(fmt::format("{} of the rows that calibrate share 32 tokens in a row with another one", drawn.overlapping_count));
    result.notes.push_back(fmt::format("scores are from {} rows ({} tokens), losses from {} other rows", drawn.rows.rows, drawn.tokens, held_out.rows));
    const bool wide = needs_hessian(options) && a.hessian_diag.empty() && a.fisher.empty();
    if (wide) {
        result.wide = widened(m);
        result.notes.push_back("the Hessian is that of the weights as floats: 16-bit ones cannot be moved by a little");
    }
    result.calibration = std::make_unique<ws::transformer<float>>(wide ? result.wide.smaller : m, shape, drawn.rows, how);
    result.measuring = std::make_unique<ws::transformer<float>>(m, shape, std::move(held_out), how);
    return result;
}

void connect(ws::prune_sources& sources, prune_evaluators& evaluators)
{
    if (evaluators.calibration)
        sources.calibrate_with(*evaluators.calibration);
    if (evaluators.measuring)
        sources.measure_with(*evaluators.measuring);
#ifdef WEIGHTSCOPE_PROCESSES
    if (evaluators.process) {
        sources.calibrate_with(*evaluators.process);
        sources.measure_with(*evaluators.process);
    }
#endif
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
    const int sources = (a.data.empty() ? 0 : 1) + (a.text.empty() ? 0 : 1) + (a.evaluator.empty() ? 0 : 1);
    if (sources > 1)
        throw usage_error("--data, --text and --evaluator each say what to run the model on; give one of them");
    if (!a.eval_data.empty() && a.data.empty() && a.text.empty())
        throw usage_error("--eval-data goes with --data or --text");
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

void show_plan(const ws::prune_plan& plan, const prune_evaluators& evaluators)
{
    std::string text;
    for (const std::string& note : evaluators.notes)
        text += note + "\n";
    for (const std::string& line : plan.lines)
        text += "plan: " + line + "\n";
    text += fmt::format("plan: about {:.3g} s and {:.3g} MB of memory beyond the model's\n", plan.seconds, plan.memory_bytes / 1e6);
    print(text + "\n");
}

int run_study(const prune_arguments& a)
{
    require_consistent(a);
    ws::study_pruning_options options = options_of(a);
    const ws::model m = open_for(a.model);
    prune_evaluators evaluators = open_evaluators(a, m, options);
    ws::prune_sources sources;
    connect(sources, evaluators);
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
        show_plan(ws::plan_pruning(m, sources, options), evaluators);
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
    if (!a.model.output.empty())
        write_output(a.model.output, ws::to_text(to_json(result)));
    if (talks)
        print(to_console(result, {.width = std::clamp<std::size_t>(terminal_width(), 60, 200), .color = wants_color(), .top_issues = a.top_issues}));
    write_models(m, result, a);
    return exit_status::done;
}

int run_prune(prune_arguments a)
{
    a.model.more_outputs = {{"--masks", a.masks}};
    try {
        return run_study(a);
    } catch (const usage_error&) {
        throw;
    } catch (const std::invalid_argument& error) {
        throw usage_error(sentence_of(error));
#ifdef WEIGHTSCOPE_PROCESSES
    } catch (const ws::process_error& error) {
        print_error(std::string_view(error.what()).starts_with("weightscope: ") ? error.what() + 13 : error.what());
        return exit_status::unreadable;
#endif
    }
}

CLI::Validator number(double least, double below, const char* words)
{
    return {[=](const std::string& text) {
                double value = 0;
                const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
                const bool valid = error == std::errc() && end == text.data() + text.size() && value >= least && value < below;
                return valid ? std::string() : fmt::format("'{}' is no number {}", text, words);
            },
            ""};
}

CLI::Validator no_stdout()
{
    return {[](const std::string& target) { return target == "-" ? std::string("'-' is no file name; a model cannot go to stdout") : std::string(); }, ""};
}

void add_choices(CLI::App& sub, prune_arguments& a)
{
    const CLI::Validator method(fault_of_method, "");
    sub.add_option("--method", a.method,
                   "what says how much a weight or a group matters: magnitude, taylor, taylor_2nd, taylor_2nd_signed, wanda, random, mixed, a "
                   "mixture such as mixed:taylor+0.5*wanda; of groups also ablation and probe; auto tries several (magnitude)")
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
    sub.add_option("--size", a.size, "bytes of weights that may be left, as 3.5GiB")
        ->type_name("B")
        ->check(CLI::Validator([](const std::string& text) { return bytes_of(text) ? std::string() : fmt::format("'{}' is no size; write it as 3.5GiB or 500MB", text); }, ""));
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
    add_file("--data", a.data, "tokens (.npy) to run the model on: some to score with, the others to measure with");
    add_file("--text", a.text, "the same as text, for which tokenizer.json lies beside the weights");
    sub.add_option("--evaluator", a.evaluator, "a program that runs the model, see process_evaluator.hpp")->type_name("COMMAND");
    add_file("--eval-data", a.eval_data, "tokens (.npy) to measure with instead");
    add_number("--num-samples", a.num_samples, 1, "rows of tokens to score with (128)");
    add_number("--eval-samples", a.eval_samples, 1, "rows of tokens to measure with, at most (1024)");
    add_number("--context", a.context, 2, "tokens of a row where the data are one long text (512)");
    add_number("--batch-size", a.batch_size, 1, "rows that are run at once (8)");
    add_number("--predict-after", a.predict_after, 0, "in each row only what follows this token first counts");
    add_choice(sub, "--rope", a.rope, {"config", "half_split", "interleaved"}, "which elements of a head rotary positions turn together");
    add_file("--gradients", a.gradients, "arrays of dL/dw under the weights' names");
    add_file("--fisher", a.fisher, "arrays of mean squared gradients");
    add_file("--hessian-diag", a.hessian_diag, "arrays of the Hessian diagonal");
    add_file("--activations", a.activations, "statistics or norms of the layers' inputs, or an imatrix file");
    add_choice(sub, "--curvature", a.curvature, {"hessian", "fisher"}, "what to collect for the second order");
    add_number("--probes", a.options.probes, 2, "for the Hessian diagonal (8)");
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
    add_number("--top-issues", a.top_issues, 0, 1'000'000'000, "groups or matrices that are listed (10)");
    add_number("--threads", a.options.threads, 1, 1024, "threads to use (one per core)");
    add_choice(*sub, "--progress", a.progress, {"auto", "always", "never"}, "show progress on stderr; auto is on a terminal");
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_prune(*arguments); }; });
}
