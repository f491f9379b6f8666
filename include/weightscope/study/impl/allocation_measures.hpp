#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/hessian_trace.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/scorers/estimate_importance.hpp>
#include <weightscope/study/allocation_layer_losses.hpp>
#include <weightscope/study/allocation_losses.hpp>
#include <weightscope/study/allocation_measures.hpp>
#include <weightscope/study/allocation_sources.hpp>
#include <weightscope/study/quantization_layers.hpp>
#include <weightscope/study/quantization_losses.hpp>

namespace weightscope {

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

WEIGHTSCOPE_INLINE allocation_sources measure_allocation(const importance_evaluator& asked, const model& m, const allocation_plan_options& options,
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

WEIGHTSCOPE_INLINE allocation_measures_plan plan_allocation_measures(std::size_t batches, const model& m, const allocation_plan_options& options)
{
    const detail::allocation_measured_layers of(m, options);
    return {.layers = of.firsts.size(), .schemes = of.schemes.size(), .batches = batches, .losses = batches * (1 + of.firsts.size() * of.schemes.size())};
}

}  // namespace weightscope
