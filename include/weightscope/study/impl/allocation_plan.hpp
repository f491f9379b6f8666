#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/low_rank.hpp>
#include <weightscope/core/blas_threads.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/allocation.hpp>
#include <weightscope/quantizers/allocation_front.hpp>
#include <weightscope/quantizers/allocation_margins.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/allocation_budgets.hpp>
#include <weightscope/study/allocation_items.hpp>
#include <weightscope/study/allocation_losses.hpp>
#include <weightscope/study/allocation_plan.hpp>
#include <weightscope/study/allocation_rules.hpp>
#include <weightscope/study/allocation_solution.hpp>
#include <weightscope/study/quantization_layers.hpp>
#include <weightscope/study/quantization_study.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE void require_allocation_plan(const allocation_plan_options& options, const allocation_sources& sources)
{
    require(!options.bits_per_weight || !options.size, "{}: options has both bits_per_weight and size, expected one of the two", plan_caller);
    require(options.bits_per_weight || options.size || options.bit_operations || options.latency,
            "{}: options has no budget, expected bits_per_weight, size, bit_operations or latency", plan_caller);
    for (const auto& [name, limit] : {std::pair{"bit_operations", options.bit_operations}, std::pair{"latency", options.latency}})
        require(!limit || (*limit >= 0 && std::isfinite(*limit)), "{}: options.{} is {}, expected 0 or more and finite", plan_caller, name, limit.value_or(0));
    require(options.activation_bits >= 1 && options.activation_bits <= 64, "{}: options.activation_bits is {}, expected 1 to 64", plan_caller,
            options.activation_bits);
    require(!options.latency || !sources.latencies.empty(), "{}: options.latency is set and sources.latencies is empty, expected a number for each layer "
            "and candidate", plan_caller);
    for (const auto& [what, latency] : sources.latencies)
        require(latency >= 0 && std::isfinite(latency), "{}: the latency of {} in {} is {}, expected 0 or more and finite", plan_caller, printable(what.first),
                what.second, latency);
    require(!options.bits_per_weight || (*options.bits_per_weight > 0 && std::isfinite(*options.bits_per_weight)),
            "{}: options.bits_per_weight is {}, expected above 0 and finite", plan_caller, options.bits_per_weight.value_or(0));
    require(!is_table(options.loss) || !sources.losses.empty(), "{}: options.loss is {} and sources.losses is empty, expected a number for each layer and candidate",
            plan_caller, to_string(options.loss));
    for (const std::vector<allocation_limit>* limits : {&options.least_bits, &options.most_bits})
        for (const allocation_limit& limit : *limits)
            require(limit.bits >= 0 && std::isfinite(limit.bits), "{}: a limit of '{}' is {} bits, expected 0 or more and finite", plan_caller,
                    limit.pattern, limit.bits);
}

WEIGHTSCOPE_INLINE quantization_study_options plan_study_options(const allocation_plan_options& options)
{
    quantization_study_options result{.skip_first_last = false,
                                      .embeddings = options.embeddings,
                                      .vectors = options.vectors,
                                      .include = options.include,
                                      .exclude = options.exclude,
                                      .restrict_to = options.restrict_to,
                                      .threads = options.threads,
                                      .orientation = options.orientation};
    const auto add = [&](const std::string& name) {
        if (name == "keep")
            return;
        const scheme s = parse_scheme(name);
        const auto same = [&](const study_variant& other) { return canonical(other.normal) == canonical(s); };
        if (std::none_of(result.variants.begin(), result.variants.end(), same))
            result.variants.push_back({.name = to_string(s), .normal = s, .sensitive = s, .skip_first_last = false});
    };
    for (const std::string& name : options.candidates)
        add(name);
    for (const allocation_pin& pin : options.pins)
        add(pin.format);
    if (options.rules) {
        add("int8-per-tensor-sym");
        add("int16-per-tensor-sym");
    }
    if (result.variants.empty())
        add("int8-per-channel-sym");  // "keep" alone: something has to be measured
    return result;
}

inline void add_margins_and_front(allocation_plan& plan)
{
    const allocation_problem problem = problem_of(plan.items, plan_limits_of(plan, plan.budget));
    std::vector<std::vector<double>> errors;
    for (const plan_item& item : plan.items) {
        errors.emplace_back();
        for (const plan_option& option : item.options)
            errors.back().push_back(option.standard_error);
    }
    const std::vector<allocation_margin> margins = allocation_margins(problem, plan.solution, errors);
    for (std::size_t g = 0; g < margins.size(); ++g)
        plan.items[g].margin = margins[g];
    const allocation_front front = allocate_front(problem_of(plan.items, {.bytes = plan.budget - plan.kept_bytes}));  // of bytes alone
    const auto add = [&](std::uint64_t cost, double loss) {
        const std::uint64_t bytes = plan.kept_bytes + cost;
        plan.front.push_back({.bytes = bytes,
                              .bits_per_weight = 8 * static_cast<double>(bytes) / static_cast<double>(std::max<std::size_t>(plan.study.model.parameters, 1)),
                              .loss = loss});
    };
    add(front.cost, front.loss);
    for (const allocation_front_step& step : front.steps)
        add(step.cost, step.loss);
}

// Layer after layer: a spectrum uses all threads by itself.
inline void add_low_rank(allocation_plan& plan, const std::vector<located_layer>& located)
{
    const blas_threads blas(concurrency());
    plan.low_rank.resize(plan.study.layers.size());
    for (std::size_t i = 0; i < located.size(); ++i) {
        const study_layer& layer = plan.study.layers[i];
        if (layer.figures.empty() || located[i].alike != i || layer.shape.size() < 2)
            continue;
        visit(located[i].tensor, [&](const auto& view) {
            with_source(view, [&](const weight_source& elements) {
                plan.low_rank[i] = low_rank_of(matrix_of(elements, layer.shape[0]), low_rank_options{});
            });
        });
    }
}

}  // namespace detail

WEIGHTSCOPE_INLINE allocation_plan plan_allocation(const model& m, const allocation_plan_options& options, const allocation_sources& sources,
                                                   const progress_callback& progress)
{
    const auto start = std::chrono::steady_clock::now();
    allocation_plan plan{.settings = options, .loss_source = sources.name.empty() ? "weights" : sources.name, .notes = sources.notes};
    if (plan.settings.candidates.empty())
        plan.settings.candidates = default_allocation_candidates();
    detail::require_allocation_plan(plan.settings, sources);
    const quantization_study_options study_options = detail::plan_study_options(plan.settings);
    plan.study = study_quantization(m, study_options, progress);
    with_threads(options.threads, [&] {
        const std::vector<detail::located_layer> located = detail::locate_layers(m, study_options);
        const std::vector<detail::layer_losses> losses = detail::allocation_losses(plan.study, located, sources, options.loss, plan.notes);
        plan.items = detail::make_plan_items(plan.study, located, losses, plan.settings, sources.latencies);
        plan.kept_bytes = detail::bytes_of_kept_layers(plan.study);
        if (options.rules)
            detail::add_rules(plan, located, losses, sources.latencies);
        if (options.low_rank)
            detail::add_low_rank(plan, located);
    });
    detail::solve_asked_plan(plan, m);
    const std::uint64_t bytes = plan.study.variants[plan.variant].bytes;
    if (plan.file_bytes > bytes + bytes / 4)
        plan.notes.push_back("the packed file is larger than the tensors: it holds what is kept decoded, tied tensors each by themselves, and a header");
    detail::add_margins_and_front(plan);
    plan.study.recommended = plan.variant;
    plan.study.recommended_because = "the optimum within the budget";
    plan.study.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return plan;
}

}  // namespace weightscope
