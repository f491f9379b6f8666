#include "bits_arguments.hpp"

#include <algorithm>
#include <charconv>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <tuple>

#include <fmt/format.h>

#include <weightscope/core/bit_set.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/scorers/bit_selection.hpp>
#include <weightscope/scorers/bit_selection_plan.hpp>
#include <weightscope/scorers/importance_files.hpp>

#include "command.hpp"

namespace ws = weightscope;

namespace {

std::string fault_of_bits(const std::string& text)
{
    try {
        (void)ws::parse_bit_set(text);
        return {};
    } catch (const std::invalid_argument& error) {
        return sentence_of(error);
    }
}

std::optional<std::pair<std::size_t, std::size_t>> shard_in(const std::string& text)
{
    std::size_t number = 0, count = 0;
    const char* end = text.data() + text.size();
    const auto [slash, first] = std::from_chars(text.data(), end, number);
    if (first != std::errc() || slash == end || *slash != '/')
        return std::nullopt;
    const auto [stop, second] = std::from_chars(slash + 1, end, count);
    return second == std::errc() && stop == end && number < count ? std::optional(std::pair(number, count)) : std::nullopt;
}

std::string fault_of_shard(const std::string& text)
{
    return shard_in(text) ? std::string() : fmt::format("'{}' is no shard; write the first of four as 0/4", text);
}

ws::importance_data known_from_files(const bits_arguments& a, const ws::model& m)
{
    if (a.gradients.empty())
        return {};
    std::vector<ws::weight_info> weights;
    for (const ws::named_tensor& t : m.tensors)
        weights.push_back({.name = t.name, .shape = t.shape, .dtype = t.dtype});
    return ws::read_importance_files(weights, {.gradients = a.gradients, .hessian_diag = a.hessian_diag}).data;
}

}  // namespace

void add_bits_arguments(CLI::App& sub, bits_arguments& a)
{
    add_model_arguments(sub, a.model);
    add_page_arguments(sub, a.page);
    add_evaluator_arguments(sub, a.evaluator, evaluator_use::measure);
    ws::select_bits_options& s = a.select;
    const auto add_number = [&](const std::string& name, std::size_t& value, std::size_t least, const std::string& description) {
        return sub.add_option(name, value, description)->type_name("N")->check(whole_number(least, 1'000'000'000));
    };
    add_number("--eval-seq-len", a.evaluator.context, 2, "the same as --context");
    add_number("--num-val-batches", a.num_val_batches, 0, "batches to run on, from the first on; 0: all (2)");
    sub.add_option("--bitset", s.bits, "all, mantissa, exponent, exponent_sign, sign, numbers as 14,15, or >=10 (exponent_sign)")
        ->type_name("BITS")
        ->check(CLI::Validator(fault_of_bits, ""));
    add_choice(sub, "--weight-selection-method", a.method, {"auto", "magnitude", "gradient", "taylor", "flip_aware", "flip_size"},
               "what makes a weight a candidate; auto is flip_aware where there are gradients, else flip_size");
    add_list(sub, "--part", s.parts, "PART", "of blocks only these numbers: code, scale, min, sub_scale, sub_min (repeatable; all)")
        ->check(one_of({"code", "scale", "min", "sub_scale", "sub_min"}));
    add_number("--per-tensor-k", s.per_tensor_k, 0, "candidates of a tensor at most; 0: no limit (1)");
    add_number("--top-w", s.top_w, 0, "candidates in all at most; 0: no limit (50)");
    add_number("--oversample", s.oversample, 1, "where gradients cost forwards: N times --per-tensor-k weights of a tensor get one (10)");
    sub.add_flag("--sample-all-weights", s.sample_all_weights, "all weights get one");
    sub.add_flag("--allow-bias", s.allow_bias, "tensors named .bias at the end may have candidates too");
    sub.add_option("--trust-radius", s.trust_radius, "changes of a weight up to R times the tensor's largest are taken as what derivatives tell (1)")
        ->type_name("R")
        ->check(number(1e-300, 1e300, "above 0"));
    add_number("--outside-w", s.outside_w, 0, "candidates drawn at random among weights whose flips change them by more (0)");
    sub.add_flag("--curvature", s.curvature, "second derivatives too");
    sub.add_option("--gradients", a.gradients, "arrays of dL/dw under the weights' names")->type_name("FILE");
    sub.add_option("--hessian-diag", a.hessian_diag, "arrays of the Hessian diagonal, with --gradients")->type_name("FILE");
    sub.add_option("--max-evaluations", a.budget.losses, "batches that may be run, a gradient counting as three; fewer weights are looked at then")
        ->type_name("N")
        ->check(whole_number(1, ~std::size_t{0} / 2));
    sub.add_option("--max-seconds", a.budget.seconds, "seconds that runs may take")->type_name("S")->check(number(1e-9, 1e300, "above 0"));
    sub.add_flag("--plan-only", a.plan_only, "say what it would cost, and stop");
    sub.add_option("--resume", a.resume, "a file that keeps what is done, to go on after an interruption")->type_name("FILE")->check(no_stdout());
    sub.add_option("--seed", a.seed, "of all that is random (0)")->type_name("N")->check(whole_number(0, ~std::size_t{0} / 2));
    add_number("--threads", a.threads, 1, "copies of the model to run at once (1)");
    sub.add_option("--shard", a.shard, "only every N-th part of the work, from number I on, as 0/4: tensors to choose from, or flips to make")
        ->type_name("I/N")
        ->check(CLI::Validator(fault_of_shard, ""));
    add_list(sub, "--merge", a.merge, "FILE.json", "put shards together that were written before (repeatable)");
    sub.get_option("MODEL")->required(false);
    add_choice(sub, "--progress", a.progress, {"auto", "always", "never"}, "show progress on stderr; auto is on a terminal");
}

std::optional<std::pair<std::size_t, std::size_t>> shard_of(const bits_arguments& a) { return shard_in(a.shard); }

void require_model_or_merge(const bits_arguments& a)
{
    if (a.merge.empty() && a.model.location.empty())
        throw usage_error("MODEL is missing, which only --merge can do without");
}

ws::evaluation_options evaluation_of(const bits_arguments& a, const ws::detail::any_evaluator* evaluator)
{
    ws::evaluation_options result{.seed = a.seed, .threads = a.threads, .resume = a.resume};
    if (evaluator != nullptr && a.num_val_batches > 0) {
        result.batches.resize(std::min(a.num_val_batches, evaluator->batch_count()));
        std::iota(result.batches.begin(), result.batches.end(), std::size_t{0});
    }
    return result;
}

ws::select_bits_options selection_of(const bits_arguments& a)
{
    if (!a.hessian_diag.empty() && a.gradients.empty())
        throw usage_error("--hessian-diag goes with --gradients");
    ws::select_bits_options result = a.select;
    result.method = ws::parse_bit_method(a.method);
    const auto filter = std::make_shared<const ws::name_filter>(a.model.names);
    result.takes = [filter](std::string_view name) { return filter->takes(name); };
    return result;
}

ws::bit_report_context context_of(const bits_arguments& a, const ws::model& m, const ws::detail::any_evaluator* evaluator,
                                  const std::vector<std::string>& notes)
{
    ws::bit_report_context result{.model = m.path.string(), .format = m.format, .restricted = a.model.names.restrict_to, .notes = notes};
    if (evaluator != nullptr) {
        result.num_val_batches = a.num_val_batches > 0 ? std::min(a.num_val_batches, evaluator->batch_count()) : evaluator->batch_count();
        result.eval_seq_len = a.evaluator.evaluator.empty() ? a.evaluator.context : 0;
    }
    return result;
}

std::optional<selected_bits> select_weights(const bits_arguments& a, const ws::model& m, ws::detail::any_evaluator* evaluator, bool talks)
{
    ws::select_bits_options options = selection_of(a);
    options.evaluation = evaluation_of(a, evaluator);
    options.evaluation.resume = a.resume.empty() ? std::string() : a.resume + ".select";
    if (const auto shard = shard_of(a))
        std::tie(options.shard, options.shard_count) = *shard;
    const ws::importance_data known = known_from_files(a, m);
    const ws::detail::bit_sources sources = ws::detail::bit_sources_of(m);
    if (evaluator != nullptr) {
        const auto planned = ws::detail::plan_bit_selection(sources, evaluator, options, known, a.budget, "plan_select_bits(model, evaluator, options)");
        const ws::evaluation_plan& plan = planned.plan;
        options = planned.options;
        if (talks || a.plan_only)
            print(fmt::format("plan: choosing weights takes {} losses and {} gradients of a batch, about {:.3g} s\n", plan.counts.losses, plan.counts.gradients,
                              plan.seconds));
        if (!plan.refusal.empty())
            throw usage_error(plan.refusal);
    }
    if (a.plan_only)
        return std::nullopt;
    progress_line line(a.model.quiet ? progress_mode::never : progress_mode_of(a.progress));
    options.evaluation.progress = [&](const ws::progress& state) {
        line.show(state);
        return true;
    };
    ws::bit_selection selection = ws::detail::select_bits(sources, evaluator, options, known, "select_bits(model, evaluator, options)");
    options.evaluation.progress = {};
    return selected_bits{std::move(selection), std::move(options)};
}
