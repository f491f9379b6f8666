#pragma once

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/quantization_diff_result.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const scheme_group_difference& group);

WEIGHTSCOPE_INLINE ordered_json json_of(const scheme_difference& d, const scheme& second);

}  // namespace detail

/// Conventions beside each other as one document, "weightscope/quantize_diff/1", described by tests/schemas/quantize_diff.schema.json.
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const quantization_diff_result& diff);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/quantization_diff_json.hpp>
#endif
