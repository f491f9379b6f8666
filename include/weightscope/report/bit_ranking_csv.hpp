#pragma once

#include <cstddef>
#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope {

/// The flips that move each recorded figure most, as a table:
/// "metric,rank,group_rank,model,model_group,name,layer_key,layer_id,bit,flat,weight_score,metric_delta,metric_value,part".
///
/// model_group is the tensor's name with a * for numbers, group_rank the rank in that group. The figure that counts stands first, in the
/// direction that was asked for, the others in that which harms. Flips that are not finite have no rank here.
///
/// @param count  rows for each figure; 0: all
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_csv(const bit_ranking& ranking, std::size_t count = 0);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/bit_ranking_csv.hpp>
#endif
