#pragma once

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/compression_plan.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/quantization_plan.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// Both plans that a scan leads to, for the next tool: "weightscope/plans/1", described by tests/schemas/plans.schema.json.
///
/// @param scan          whose model and settings are told
/// @param quantization  see recommend_quantization
/// @param compression   see recommend_compression
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const scan_result& scan, const quantization_plan& quantization,
                                                                const compression_plan& compression);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/plans_json.hpp>
#endif
