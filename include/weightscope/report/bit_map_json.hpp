#pragma once

#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_map_study_result.hpp>
#include <weightscope/report/json.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const std::vector<binade_count>& binades);

WEIGHTSCOPE_INLINE ordered_json json_of(const bit_position& position);

WEIGHTSCOPE_INLINE ordered_json json_of(const tensor_bit_map& tensor);

}  // namespace detail

/// A map of a model's bits as one document, "weightscope/bits_map/1", described by tests/schemas/bits_map.schema.json.
///
/// A number that does not exist is null, with the reason beside it in "<field>_reason". Tensors stand in model order. "exponents" and
/// "changes" are pairs [e, count] of numbers x with 2^e <= |x| < 2^(e + 1).
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const bit_map_study_result& study);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/bit_map_json.hpp>
#endif
