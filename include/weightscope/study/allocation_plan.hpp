#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/allocation_sources.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE void require_allocation_plan(const allocation_plan_options& options, const allocation_sources& sources);

// What the study has to measure: every candidate as a variant, then what only pins and rules need.
WEIGHTSCOPE_INLINE quantization_study_options plan_study_options(const allocation_plan_options& options);

}  // namespace detail

/// Gives every layer of a model the format that makes the whole lose least within a budget, and compares that with rules of thumb.
///
///     const auto plan = plan_allocation(open_model("model.safetensors"), {.bits_per_weight = 4.25});
///     write_packed("small.safetensors", m, plan.study, plan.variant);
///
/// Every candidate is measured on every layer as study_quantization() does it; what counts as loss is chosen by options.loss. Sizes are
/// those of packed files: codes, scales, zero points and padding. Bytes are one budget; bit operations and latencies are others, alone or
/// beside it. Then allocate_choices() finds the optimum.
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
[[nodiscard]] WEIGHTSCOPE_INLINE allocation_plan plan_allocation(const model& m, const allocation_plan_options& options,
                                                                 const allocation_sources& sources = {}, const progress_callback& progress = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/allocation_plan.hpp>
#endif
