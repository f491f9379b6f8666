#pragma once

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/model_quality_json.hpp>
#include <weightscope/scorers/prune_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const prune_validation& validation);

WEIGHTSCOPE_INLINE ordered_json json_of(const prune_result& result, const prune_trial& trial);

WEIGHTSCOPE_INLINE ordered_json json_of(const prune_result& result, const layer_selection& layer);

}  // namespace detail

/// A study of pruning as one document, "weightscope/prune/1", described by tests/schemas/prune.schema.json.
///
/// A number that does not exist is null, with the reason beside it in "<field>_reason". "methods" stand in the order that they were asked
/// for in, the first one is the one that counts; "layers" and "groups" are of its choice. Groups hold the numbers of a chart of scores.
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const prune_result& result);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/prune_json.hpp>
#endif
