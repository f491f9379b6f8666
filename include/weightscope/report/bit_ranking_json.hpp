#pragma once

#include <cstddef>

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/bit_plan.hpp>
#include <weightscope/report/bit_selection_json.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/model_quality_json.hpp>
#include <weightscope/scorers/bit_failing_share_result.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>
#include <weightscope/scorers/bit_share.hpp>

namespace weightscope {

struct bit_ranking_json_options
{
    bool all_records = true;   ///< every flip that was looked at; shards need it to be put together
    std::size_t top_k = 50;    ///< flips in each list of top_by_metric; 0: all
};

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const bit_ranking& ranking, const bit_trial& trial);

WEIGHTSCOPE_INLINE ordered_json json_of(const bit_ranking& ranking, const ranked_flip& flip);

// What was measured besides sets of flips.
WEIGHTSCOPE_INLINE ordered_json json_of_measuring(const flips_quality& quality);

WEIGHTSCOPE_INLINE ordered_json json_of(const share_estimate& share);

WEIGHTSCOPE_INLINE ordered_json json_of(const failing_share_result& result);

}  // namespace detail

/// A ranking of flips as one document, "weightscope/bits_rank/1", described by tests/schemas/bits_rank.schema.json; its "plan" is one that
/// read_bit_plan() reads. Numbers that are not finite are null, and "outcome" says what they were. What bit_ranking::quality tells of the plan
/// is under "quality", and of ranked flips in these.
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const bit_ranking& ranking, const bit_report_context& context,
                                                                const bit_ranking_json_options& options = {});

/// The same for a random sample of flips, with the shares that fail under "failing_share".
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const failing_share_result& result, const bit_report_context& context,
                                                                const bit_ranking_json_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/bit_ranking_json.hpp>
#endif
