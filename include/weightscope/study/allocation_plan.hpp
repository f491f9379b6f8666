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
#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/allocation.hpp>
#include <weightscope/quantizers/allocation_front.hpp>
#include <weightscope/quantizers/allocation_margins.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/allocation_items.hpp>
#include <weightscope/study/allocation_losses.hpp>
#include <weightscope/study/allocation_rules.hpp>
#include <weightscope/study/packed_model.hpp>
#include <weightscope/study/quantization_layers.hpp>
#include <weightscope/study/quantization_study.hpp>

namespace weightscope {

namespace detail {

inline void require_allocation_plan(const allocation_plan_options& options, const allocation_sources& sources)
{
    require(options.bits_per_weight.has_value() != options.size.has_value(),
            "{}: options has {} bits_per_weight and size, expected one of the two", plan_caller, options.size ? "both" : "neither");
    require(!options.bits_per_weight || (*options.bits_per_weight > 0 && std::isfinite(*options.bits_per_weight)),
            "{}: options.bits_per_weight is {}, expected above 0 and finite", plan_caller, options.bits_per_weight.value_or(0));
    require(options.loss != allocation_loss::given || !sources.losses.empty(), "{}: options.loss is given and sources.losses is empty, expected "
            "a number for each layer and candidate", plan_caller);
    for (const std::vector<allocation_limit>* limits : {&options.least_bits, &options.most_bits})
        for (const allocation_limit& limit : *limits)
            require(limit.bits >= 0 && std::isfinite(limit.bits), "{}: a limit of '{}' is {} bits, expected 0 or more and finite", plan_caller,
                    limit.pattern, limit.bits);
}

// What the study has to measure: every candidate as a variant, then what only pins and rules need.
inline quantization_study_options plan_study_options(const allocation_plan_options& options)
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

// Makes the plan of a budget in bytes for all tensors.
inline void solve_plan(allocation_plan& plan, std::uint64_t budget)
{
    plan.budget = budget;
    const allocation_problem problem = problem_of(plan.items, budget > plan.kept_bytes ? budget - plan.kept_bytes : 0);
    plan.solution = allocate_choices(problem, plan.settings.search);
    const auto parameters = static_cast<double>(std::max<std::size_t>(plan.study.model.parameters, 1));
    if (const std::uint64_t least = plan.kept_bytes + plan.solution.least_costs.front(); budget < least || !plan.solution.feasible)
        require(false, "{}: the budget is {} bytes ({:.4g} bits per weight), and the smallest plan takes {} bytes ({} bits per weight), {} of "
                "them for tensors that are kept; ask for that much, or allow smaller candidates or more tensors", plan_caller, budget,
                8 * static_cast<double>(budget) / parameters, least, std::ceil(8e4 * static_cast<double>(least) / parameters) / 1e4, plan.kept_bytes);
    std::vector<std::size_t> scheme_of_layer(plan.study.layers.size(), kept_as_stored);
    for (std::size_t g = 0; g < plan.items.size(); ++g) {
        plan.items[g].chosen = plan.solution.choices[g];
        for (const std::size_t i : plan.items[g].layers)
            scheme_of_layer[i] = plan.items[g].options[plan.items[g].chosen].scheme;
    }
    variant_result variant = make_variant(plan.study, "plan", false, [&](const study_layer&, std::size_t i) {
        return layer_pick{.scheme = scheme_of_layer[i], .reason = scheme_of_layer[i] == kept_as_stored ? "by plan" : ""};
    });
    plan.bits_per_weight = 8 * static_cast<double>(variant.bytes) / parameters;
    plan.study.variants.resize(plan.variant);
    plan.study.variants.push_back(std::move(variant));
}

// The size of the packed file; 0 where there is none.
inline std::uint64_t file_bytes_of(const allocation_plan& plan, const model& m)
{
    for (const study_layer& layer : plan.study.layers)
        if (!layer.error.empty())
            return 0;
    for (const layer_pick& pick : plan.study.variants[plan.variant].picks)
        if (pick.scheme != kept_as_stored && !plan.study.schemes[pick.scheme].plain())
            return 0;
    return packed_bytes(m, plan.study, plan.variant);
}

// A size is that of the whole file: names, shapes and places take more or less room as formats change.
inline void solve_plan_of_size(allocation_plan& plan, const model& m, std::uint64_t size)
{
    std::uint64_t around = 0;
    for (int round = 0;; ++round) {
        solve_plan(plan, size > around ? size - around : 0);
        plan.file_bytes = file_bytes_of(plan, m);
        if (plan.file_bytes <= size || round == 8)
            break;
        around += plan.file_bytes - size;
    }
    require(plan.file_bytes <= size, "{}: no plan was found whose file has {} bytes or less; the last one has {}", plan_caller, size, plan.file_bytes);
}

inline void add_margins_and_front(allocation_plan& plan)
{
    const allocation_problem problem = problem_of(plan.items, plan.budget - plan.kept_bytes);
    std::vector<std::vector<double>> errors;
    for (const plan_item& item : plan.items) {
        errors.emplace_back();
        for (const plan_option& option : item.options)
            errors.back().push_back(option.standard_error);
    }
    const std::vector<allocation_margin> margins = allocation_margins(problem, plan.solution, errors);
    for (std::size_t g = 0; g < margins.size(); ++g)
        plan.items[g].margin = margins[g];
    const allocation_front front = allocate_front(problem);
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

/// Gives every layer of a model the format that makes the whole lose least within a budget, and compares that with rules of thumb.
///
///     const auto plan = plan_allocation(open_model("model.safetensors"), {.bits_per_weight = 4.25});
///     write_packed("small.safetensors", m, plan.study, plan.variant);
///
/// Every candidate is measured on every layer as study_quantization() does it; what counts as loss is chosen by options.loss. Sizes are
/// those of packed files: codes, scales, zero points and padding. Then allocate_choices() finds the optimum.
///
/// @param m         see open_model
/// @param options   see allocation_plan_options
/// @param sources   what is known of the layers besides their weights, as options.loss needs it
/// @param progress  called when a layer begins and when it is done; may cancel
/// @return          see allocation_plan; layers that cannot be read are kept and have an `error`
/// @throws std::invalid_argument  the budget is below the smallest plan, which is told; a candidate, pattern or number is not valid; nothing
///                                in `sources` fits the model
/// @throws cancelled              the callback returned false
/// @note   the sum of the losses is a proxy: that formats disturb each other is left out of it
[[nodiscard]] inline allocation_plan plan_allocation(const model& m, const allocation_plan_options& options, const allocation_sources& sources = {},
                                                     const progress_callback& progress = {})
{
    const auto start = std::chrono::steady_clock::now();
    allocation_plan plan{.settings = options, .loss_source = sources.name.empty() ? "weights" : sources.name};
    if (plan.settings.candidates.empty())
        plan.settings.candidates = default_allocation_candidates();
    detail::require_allocation_plan(plan.settings, sources);
    const quantization_study_options study_options = detail::plan_study_options(plan.settings);
    plan.study = study_quantization(m, study_options, progress);
    with_threads(options.threads, [&] {
        const std::vector<detail::located_layer> located = detail::locate_layers(m, study_options);
        const std::vector<detail::layer_losses> losses = detail::allocation_losses(plan.study, located, sources, options.loss, plan.notes);
        plan.items = detail::make_plan_items(plan.study, located, losses, plan.settings);
        plan.kept_bytes = 0;
        for (const study_layer& layer : plan.study.layers)
            plan.kept_bytes += layer.figures.empty() ? detail::bytes_of_pick(layer, {}) : 0;
        if (options.rules)
            detail::add_rules(plan, located, losses);
        if (options.low_rank)
            detail::add_low_rank(plan, located);
    });
    plan.variant = plan.study.variants.size();
    if (options.size) {
        detail::solve_plan_of_size(plan, m, *options.size);
    } else {
        detail::solve_plan(plan, static_cast<std::uint64_t>(*options.bits_per_weight * static_cast<double>(plan.study.model.parameters) / 8));
        plan.file_bytes = detail::file_bytes_of(plan, m);
    }
    const std::uint64_t bytes = plan.study.variants[plan.variant].bytes;
    if (plan.file_bytes == 0)
        plan.notes.push_back("only plain integer codes are packed: sizes are those of the tensors, without a file's header");
    else if (plan.file_bytes > bytes + bytes / 4)
        plan.notes.push_back("the packed file is larger than the tensors: it holds what is kept decoded, tied tensors each by themselves, and a header");
    detail::add_margins_and_front(plan);
    plan.study.recommended = plan.variant;
    plan.study.recommended_because = "the optimum within the budget";
    plan.study.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return plan;
}

}  // namespace weightscope
