#include "allocate_losses.hpp"

#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/scorers/importance_files.hpp>
#include <weightscope/study/allocation_evaluation.hpp>
#include <weightscope/study/allocation_measures.hpp>
#include <weightscope/study/allocation_plan.hpp>
#include <weightscope/study/allocation_table_file.hpp>
#include <weightscope/study/feasible_plan.hpp>

#include "arguments.hpp"
#include "command.hpp"

namespace ws = weightscope;

namespace {

// The word for a loss on the command line.
std::optional<ws::allocation_loss> loss_named(const std::string& word)
{
    for (int i = 0; i <= static_cast<int>(ws::allocation_loss::kl_divergence); ++i)
        if (to_string(static_cast<ws::allocation_loss>(i)) == word)
            return static_cast<ws::allocation_loss>(i);
    return std::nullopt;
}

// The options that say what the loss is, and what each of them means.
std::vector<std::pair<std::string, ws::allocation_loss>> given_sources(const allocate_loss_arguments& a)
{
    std::vector<std::pair<std::string, ws::allocation_loss>> given;
    const auto consider = [&](const std::string& value, const char* option, ws::allocation_loss meant) {
        if (!value.empty())
            given.emplace_back(option, meant);
    };
    consider(a.sensitivity, "--sensitivity", ws::allocation_loss::given);
    consider(a.activations, "--imatrix", ws::allocation_loss::relative_activation_error);
    consider(a.hessian_diag, "--hessian-diag", ws::allocation_loss::curvature);
    consider(a.fisher, "--fisher", ws::allocation_loss::fisher);
    consider(a.trace, "--trace", ws::allocation_loss::curvature);
    if (a.evaluate && !given.empty())
        return given;  // the model is run for --evaluate
    consider(a.run.data, "--data", ws::allocation_loss::kl_divergence);
    consider(a.run.text, "--text", ws::allocation_loss::kl_divergence);
    consider(a.run.evaluator, "--evaluator", ws::allocation_loss::measured);
    return given;
}

ws::allocation_sources read_sources(const ws::model& m, const allocate_loss_arguments& a)
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
    sources.notes = std::move(files.missing);
    return sources;
}

template <class E>
std::string plan_text(E& evaluator, const ws::model& m, const ws::allocation_plan_options& options)
{
    const auto start = std::chrono::steady_clock::now();
    (void)evaluator.loss(0);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const ws::allocation_measures_plan plan = ws::plan_allocation_measures(evaluator.batch_count(), m, options);
    return fmt::format("plan: {} layers in {} formats on {} batches: {} forward passes, about {:.3g} s\n", plan.layers, plan.schemes, plan.batches,
                       fmt::group_digits(plan.losses), seconds * static_cast<double>(plan.losses));
}

// What runs the model: for its curvature with 16-bit weights as floats.
opened_evaluators open_for_losses(const allocate_loss_arguments& a, const ws::model& m, bool curvature)
{
    if (!curvature)
        return open_evaluators(a.run, m, {.use = evaluator_use::measure});
    evaluator_arguments run = a.run;
    run.num_samples = run.eval_samples;
    run.eval_samples = 1;
    return open_evaluators(run, m, {.use = evaluator_use::score_and_measure, .wide_scoring = true});
}

// Whether the model has to be run to know the losses: not where a file tells them.
bool runs_for_losses(const allocate_loss_arguments& a, ws::allocation_loss loss)
{
    switch (loss) {
    case ws::allocation_loss::error:
    case ws::allocation_loss::relative_error:
    case ws::allocation_loss::given: return false;
    case ws::allocation_loss::activation_error:
    case ws::allocation_loss::relative_activation_error: return a.run.given() && a.activations.empty();
    case ws::allocation_loss::curvature: return a.run.given() && a.hessian_diag.empty() && a.trace.empty();
    case ws::allocation_loss::fisher: return a.run.given() && a.fisher.empty();
    case ws::allocation_loss::measured:
    case ws::allocation_loss::kl_divergence: return true;
    }
    return false;
}

}  // namespace

void add_loss_arguments(CLI::App& sub, allocate_loss_arguments& a)
{
    const auto add_file = [&](const char* name, std::string& file, const char* description) {
        sub.add_option(name, file, description)->type_name("FILE");
    };
    add_choice(sub, "--loss", a.loss,
               {"auto", "error", "relative_error", "activation_error", "relative_activation_error", "curvature", "fisher", "given", "measured", "kl_divergence"},
               "what counts as the loss of a layer; auto is what the files below are for, kl_divergence of the outputs with --data or --text, measured with "
               "--evaluator, else relative_error");
    add_file("--sensitivity", a.sensitivity, "losses of your own: layer, scheme, value and where known standard_error, as CSV or JSON");
    add_file("--imatrix,--activations", a.activations, "what the inputs of layers look like: an imatrix or arrays of activations; weights errors by them");
    add_file("--hessian-diag", a.hessian_diag, "arrays of the Hessian diagonal");
    add_file("--fisher", a.fisher, "arrays of mean squared gradients");
    add_file("--trace", a.trace, "traces of the Hessian: layer, trace and where known standard_error, as CSV or JSON");
    add_evaluator_arguments(sub, a.run, evaluator_use::measure);
    add_choice(sub, "--curvature", a.curvature, {"trace", "diagonal"}, "what --loss curvature estimates by running the model");
    sub.add_option("--probes", a.probes, "for that (16)")->type_name("N")->check(whole_number(2, 1'000'000));
    sub.add_flag("--evaluate", a.evaluate,
                 "run the model of --data, --text or --evaluator with the weights of the plan, of each rule of thumb and of the plan of its size: what they "
                 "lose as a whole");
    sub.add_flag("--plan", a.plan_only, "say what --loss measured or kl_divergence would cost, and stop");
}

ws::allocation_loss loss_of(const allocate_loss_arguments& a)
{
    require_consistent(a.run);
    const auto given = given_sources(a);
    std::vector<std::string> names;
    for (const auto& [name, meant] : given)
        names.push_back(name);
    if (given.size() > 1)
        throw usage_error(fmt::format("{} each say what the loss is; take one of them", fmt::join(names, " and ")));
    const ws::allocation_loss loss = loss_named(a.loss).value_or(given.empty() ? ws::allocation_loss::relative_error : given.front().second);
    const auto needs = [&](std::initializer_list<ws::allocation_loss> meant, bool there, const char* what) {
        for (const ws::allocation_loss one : meant)
            if (loss == one && !there)
                throw usage_error(fmt::format("--loss {} needs {}", to_string(loss), what));
    };
    const bool runs = a.run.given();
    needs({ws::allocation_loss::given}, !a.sensitivity.empty(), "--sensitivity");
    needs({ws::allocation_loss::activation_error, ws::allocation_loss::relative_activation_error}, runs || !a.activations.empty(),
          "--imatrix, or --data, --text or --evaluator");
    needs({ws::allocation_loss::curvature}, runs || !a.hessian_diag.empty() || !a.trace.empty(), "--hessian-diag or --trace, or --data, --text or --evaluator");
    needs({ws::allocation_loss::fisher}, runs || !a.fisher.empty(), "--fisher, or --data, --text or --evaluator");
    needs({ws::allocation_loss::measured, ws::allocation_loss::kl_divergence}, runs, "--data, --text or --evaluator");
    if (a.evaluate && !runs)
        throw usage_error("--evaluate runs the model; give --data, --text or --evaluator too");
    if (runs && !a.evaluate && (loss == ws::allocation_loss::error || loss == ws::allocation_loss::relative_error || loss == ws::allocation_loss::given))
        throw usage_error(fmt::format("{} runs the model, which --loss {} does not need", names.front(), to_string(loss)));
    if (a.plan_only && loss != ws::allocation_loss::measured && loss != ws::allocation_loss::kl_divergence)
        throw usage_error("--plan tells what --loss measured or kl_divergence would cost, and neither is asked for");
    return loss;
}

std::optional<ws::allocation_sources> find_loss_sources(const ws::model& m, const allocate_loss_arguments& a, const ws::allocation_plan_options& options,
                                                        const loss_sources_told& how)
{
    ws::allocation_sources sources = read_sources(m, a);
    if (!a.latency_table.empty())
        sources.latencies = ws::read_latencies(a.latency_table);
    if (runs_for_losses(a, options.loss)) {
        // differences of gradients need weights that can be moved by a little
        const bool curvature = options.loss == ws::allocation_loss::curvature && a.run.evaluator.empty();
        require_feasible_plan(m, options, sources);
        opened_evaluators evaluators = open_for_losses(a, m, curvature);
        bool planned = false;
        const auto find = [&](auto& evaluator) {
            if (is_table(options.loss) && (how.talks || a.plan_only))
                print(plan_text(evaluator, m, options) + "\n");
            planned = a.plan_only;
            if (planned)
                return;
            ws::allocation_sources found = ws::measure_allocation(evaluator, m, options, {.diagonal = a.curvature == "diagonal", .probes = a.probes}, how.progress);
            found.latencies = std::move(sources.latencies);
            sources = std::move(found);
        };
        if (curvature)
            evaluators.with_scoring(find);
        else
            evaluators.with_measuring(find);
        if (planned)
            return std::nullopt;
        if (!curvature)
            sources.notes.insert(sources.notes.end(), evaluators.notes.begin(), evaluators.notes.end());
    }
    return sources;
}

ws::allocation_plan evaluate_plan(const ws::model& m, ws::allocation_plan plan, const allocate_loss_arguments& a, const loss_sources_told& how)
{
    opened_evaluators evaluators = open_evaluators(a.run, m, {.use = evaluator_use::measure});
    evaluators.with_measuring([&](auto& evaluator) {
        ws::quality_meter meter(evaluator);
        const ws::model_quality_plan cost = plan_measured(plan, meter);
        if (how.talks)
            print(fmt::format("run: {} forward passes, about {:.3g} s\n\n", fmt::group_digits(cost.calls()), cost.seconds));
        plan = measure_plan(m, std::move(plan), meter, how.progress);
    });
    plan.study.evaluation->notes.insert(plan.study.evaluation->notes.end(), evaluators.notes.begin(), evaluators.notes.end());
    return plan;
}
