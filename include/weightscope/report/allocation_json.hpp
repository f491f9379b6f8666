#pragma once

#include <nlohmann/json_fwd.hpp>

#include <weightscope/analyzers/low_rank.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/model_quality_json.hpp>
#include <weightscope/report/quantization_study_json.hpp>
#include <weightscope/report/quantization_study_measures_json.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const allocation_plan& plan, const plan_item& item);

WEIGHTSCOPE_INLINE ordered_json json_of(const allocation_plan& plan, const plan_rule& rule);

WEIGHTSCOPE_INLINE ordered_json json_of(const low_rank_result& result);

WEIGHTSCOPE_INLINE ordered_json json_of(const allocation_plan_options& options);

}  // namespace detail

/// A plan as one document, "weightscope/allocate/1", described by tests/schemas/allocate.schema.json.
///
/// "formats" has the format of every tensor of the model by its name, in model order; "items" the decisions with all their options.
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const allocation_plan& plan);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/allocation_json.hpp>
#endif
