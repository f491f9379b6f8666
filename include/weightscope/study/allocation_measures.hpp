#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/hessian_trace.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/scorers/estimate_importance.hpp>
#include <weightscope/study/allocation_layer_losses.hpp>
#include <weightscope/study/allocation_losses.hpp>
#include <weightscope/study/allocation_sources.hpp>
#include <weightscope/study/quantization_layers.hpp>
#include <weightscope/study/quantization_losses.hpp>

namespace weightscope {

struct allocation_measures_options
{
    bool diagonal = false;       ///< curvature: the diagonal of the Hessian instead of its trace in each tensor
    std::size_t probes = 16;     ///< of the curvature, 2 or more
    std::uint64_t seed = 0;      ///< of the probes
};

/// What measuring every layer in every format takes.
struct allocation_measures_plan
{
    std::size_t layers = 0, schemes = 0, batches = 0;
    std::size_t losses = 0;  ///< forward passes
};

namespace detail {

// Tensors of the evaluator that hold planned layers.
inline std::vector<std::size_t> allocation_tensors(const any_evaluator& evaluator, const model& m, const allocation_measured_layers& of)
{
    std::vector<std::size_t> tensors;
    for (const std::size_t first : of.firsts)
        if (const std::size_t t = weight_named(evaluator.weights(), m.tensors[of.layers[first].whole].name); t < evaluator.weights().size())
            tensors.push_back(t);
    std::sort(tensors.begin(), tensors.end());
    tensors.erase(std::unique(tensors.begin(), tensors.end()), tensors.end());
    require(!tensors.empty(), "{}: the evaluator has none of the layers to be planned, such as {}; names must be those of the model", allocation_measures_caller,
            of.firsts.empty() ? std::string("none") : printable(of.layers[of.firsts.front()].layer.name));
    return tensors;
}

// Throws where no curvature is a number.
inline void require_allocation_curvature(std::size_t known, const allocation_measured_layers& of)
{
    require(known > 0, "{}: the curvature of {} is not a number, and so is that of all layers: their weights cannot be moved by small steps, or gradients are "
            "not finite; widen_weights() gives 16-bit weights room", allocation_measures_caller, printable(of.layers[of.firsts.front()].layer.name));
}

// Matrices of a stack share its trace by their parameters. Where not even the sign is resolved, the standard error stands for the trace:
// a negative one would reward errors.
inline allocation_sources allocation_traces(any_evaluator& evaluator, const model& m, const allocation_plan_options& options, const allocation_measures_options& how,
                                         const progress_callback& progress)
{
    const allocation_measured_layers of(m, options);
    hessian_trace_options asked{.max_probes = how.probes, .evaluation = {.tensors = allocation_tensors(evaluator, m, of), .seed = how.seed, .progress = progress}};
    const hessian_trace_result found = hessian_trace(evaluator, asked, allocation_measures_caller);
    allocation_sources sources{.name = fmt::format("traces from {} probes", found.probes)};
    std::size_t unresolved = 0, unknown = 0;
    for (const std::size_t first : of.firsts) {
        const located_layer& layer = of.layers[first];
        const std::size_t t = weight_named(evaluator.weights(), m.tensors[layer.whole].name);
        const auto trace = std::find_if(found.tensors.begin(), found.tensors.end(), [&](const trace_estimate& e) { return e.tensor == t; });
        if (trace == found.tensors.end())
            continue;
        if (!std::isfinite(trace->value) || !std::isfinite(trace->standard_error)) {
            ++unknown;
            continue;
        }
        const double share = static_cast<double>(layer.layer.parameters) / static_cast<double>(m.tensors[layer.whole].size());
        unresolved += trace->value < trace->standard_error;
        sources.traces[layer.layer.name] = {share * std::max(trace->value, trace->standard_error), share * trace->standard_error};
    }
    require_allocation_curvature(of.firsts.size() - unknown, of);
    if (unresolved > 0)
        sources.notes.push_back(fmt::format("the traces of {} of {} layers are not resolved: their standard errors stand for them; more probes tell more",
                                            unresolved, of.firsts.size()));
    return sources;
}

inline allocation_sources measure_allocation(const importance_evaluator& asked, const model& m, const allocation_plan_options& options,
                                             const allocation_measures_options& how, const progress_callback& progress)
{
    require(how.probes >= 2, "{}: options.probes is {}, expected 2 or more", allocation_measures_caller, how.probes);
    any_evaluator& evaluator = *asked.evaluator;
    if (options.loss == allocation_loss::measured || options.loss == allocation_loss::kl_divergence)
        return allocation_layer_losses(evaluator, m, options, progress);
    const bool curvature = options.loss == allocation_loss::curvature, fisher = options.loss == allocation_loss::fisher;
    if (curvature && !how.diagonal)
        return allocation_traces(evaluator, m, options, how, progress);
    const bool activations = options.loss == allocation_loss::activation_error || options.loss == allocation_loss::relative_activation_error;
    require(curvature || fisher || activations, "{}: options.loss is {}, which needs no evaluator; expected measured, kl_divergence, curvature, fisher or an error of activations",
            allocation_measures_caller, to_string(options.loss));
    importance_options collect{.activations = activations, .gradients = false, .fisher = fisher, .hessian = curvature};
    collect.curvature.max_probes = how.probes;
    collect.evaluation = {.seed = how.seed, .progress = progress};
    if (!activations)
        collect.evaluation.tensors = allocation_tensors(evaluator, m, allocation_measured_layers(m, options));
    const importance_estimate found = estimate_importance(asked, collect);
    if (curvature) {
        const allocation_measured_layers of(m, options);
        std::size_t known = 0;
        for (const std::size_t first : of.firsts)
            known += !plan_error_weights(of.layers[first].layer, m.tensors[of.layers[first].whole].name, {.data = found.data}, options.loss).values.empty();
        require_allocation_curvature(known, of);
    }
    return {.name = fmt::format("an evaluator, {} batch{}", found.batches, found.batches == 1 ? "" : "es"), .data = found.data};
}

}  // namespace detail

/// What measuring the losses of a plan's layers will take: for `allocation_loss::measured` and `kl_divergence`.
///
/// Outputs of the unchanged model are kept up to 1 GB; of each batch beyond that they are made again for every layer and format.
[[nodiscard]] inline allocation_measures_plan plan_allocation_measures(std::size_t batches, const model& m, const allocation_plan_options& options)
{
    const detail::allocation_measured_layers of(m, options);
    return {.layers = of.firsts.size(), .schemes = of.schemes.size(), .batches = batches, .losses = batches * (1 + of.firsts.size() * of.schemes.size())};
}

/// Runs a model to find out what the sensitivity of its layers is, for plan_allocation().
///
///     allocation_plan_options options{.bits_per_weight = 4.25, .loss = allocation_loss::measured};
///     const auto plan = plan_allocation(m, options, measure_allocation(evaluator, m, options));
///
/// What is found depends on options.loss:
///
///     measured                   the rise of the loss with one layer alone quantized, for every layer and format, with its standard error
///                                over the batches
///     kl_divergence              the same for the divergence of the outputs from those of the unchanged model: far less noise in as few batches
///     curvature                  the trace of the Hessian in every tensor, or its diagonal, with standard errors over the probes
///     fisher                     the diagonal of the empirical Fisher information
///     (relative_)activation_error  what the inputs of layers look like
///
/// Weights are changed in place and put back.
///
/// @param evaluator  of this model: tensors are found by name. A forward_evaluator is enough for `measured` and traces, an
///                   output_evaluator for kl_divergence
/// @param m          see open_model
/// @param options    of the plan; layers that are kept are not measured
/// @param how        see allocation_measures_options
/// @param progress   called as work is done; may cancel
/// @return           for plan_allocation(); layers that the evaluator does not have are left out
/// @throws std::invalid_argument  the evaluator lacks what the loss needs, or has a tensor in another shape or type
/// @throws cancelled              the callback returned false
/// @note   measured, kl_divergence: batches · (1 + layers · formats) losses, see plan_allocation_measures()
template <class E>
[[nodiscard]] allocation_sources measure_allocation(E& evaluator, const model& m, const allocation_plan_options& options,
                                                    const allocation_measures_options& how = {}, const progress_callback& progress = {})
{
    auto held = detail::hold(evaluator);
    return detail::measure_allocation(detail::importance_evaluator_of(evaluator, held), m, options, how, progress);
}

}  // namespace weightscope
