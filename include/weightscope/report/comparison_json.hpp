#pragma once

#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/change_json.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/json.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const compared_model& m);

WEIGHTSCOPE_INLINE ordered_json json_of(const comparison_thresholds& t);

WEIGHTSCOPE_INLINE ordered_json json_of(const compare_weights_result& w);

WEIGHTSCOPE_INLINE ordered_json json_of(const compared_layer& layer);

WEIGHTSCOPE_INLINE ordered_json json_of(const std::vector<unmatched_tensor>& tensors);

}  // namespace detail

/// A comparison as a document, "weightscope/compare/1", described by tests/schemas/compare.schema.json. What does not exist is null and
/// has its reason beside it. mean_diff, std_diff, l2_norm_ratio, max_abs_change and spectral_diff are those of comparisons of scans.
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const comparison_result& r);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/comparison_json.hpp>
#endif
