#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/comparison_console.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/plot_training_evolution.hpp>
#include <weightscope/report/series_result.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

template <class F>
void for_each_field(const series_layer& layer, F&& f)
{
    f("shape", layer.shape);
    f("dtype", layer.dtype);
    f("parameters", layer.parameters);
    f("l2_norm", layer.l2_norm);
    f("std", layer.std);
    f("abs_max", layer.abs_max);
    f("max_singular_value", layer.max_singular_value);
    f("stable_rank", layer.stable_rank);
    f("non_finite_count", layer.non_finite_count);
    f("relative_l2_distance", layer.relative_l2_distance);
    f("cosine_similarity", layer.cosine_similarity);
    f("changed_percentage", layer.changed_percentage);
    if (!layer.error.empty())
        f("error", layer.error);
}

/// A series as a document, "weightscope/watch/1", described by tests/schemas/watch.schema.json.
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const series_result& r);

/// One row per checkpoint and layer. Cells are empty where a number is missing.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_csv(const series_result& r);

/// The line that tells of one checkpoint when it is measured.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_line(const series_checkpoint& c);

namespace detail {

// The findings of all checkpoints, the most severe first; each names its checkpoint.
WEIGHTSCOPE_INLINE std::vector<finding> series_findings(const series_result& r);

// The layers that went the longest way from the first checkpoint to the last.
WEIGHTSCOPE_INLINE text_table moved_table(const series_result& r, std::size_t limit);

}  // namespace detail

/// A series for a terminal: what was found and when, and the layers that moved most from the first checkpoint to the last.
///
/// @param options  see console_options
/// @throws std::invalid_argument  options.width is not in 60 to 200
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_console(const series_result& r, const console_options& options = {});

/// The figures of a series as scans that hold no more than them, for plot_training_evolution.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<scan_step> to_scan_steps(const series_result& r);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/series_report.hpp>
#endif
