#pragma once

#include <cstddef>
#include <cstdint>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/scorers/importance_plan.hpp>
#include <weightscope/study/allocation_sources.hpp>

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

WEIGHTSCOPE_INLINE allocation_sources measure_allocation(const importance_evaluator& asked, const model& m, const allocation_plan_options& options,
                                                         const allocation_measures_options& how, const progress_callback& progress);

}  // namespace detail

/// What measuring the losses of a plan's layers will take: for `allocation_loss::measured` and `kl_divergence`.
///
/// Outputs of the unchanged model are kept up to 1 GB; of each batch beyond that they are made again for every layer and format.
[[nodiscard]] WEIGHTSCOPE_INLINE allocation_measures_plan plan_allocation_measures(std::size_t batches, const model& m,
                                                                                   const allocation_plan_options& options);

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

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/allocation_measures.hpp>
#endif
