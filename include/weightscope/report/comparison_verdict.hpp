#pragma once

#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/comparison_result.hpp>

namespace weightscope {

namespace detail {

struct relation_counts
{
    std::size_t layers[9] = {};
    std::size_t all = 0;

    std::size_t of(layer_relation relation) const { return layers[static_cast<std::size_t>(relation)]; }
    bool only(std::initializer_list<layer_relation> relations) const;
};

WEIGHTSCOPE_INLINE bool counts(const compared_layer& layer);

// The mean cosine of matrices, weighted by parameters, and the distance of all weights.
WEIGHTSCOPE_INLINE void add_up(comparison_result& r);

WEIGHTSCOPE_INLINE model_relation relation_of(const comparison_result& r, const relation_counts& n, double matched);

}  // namespace detail

/// Fills in what the second model is to the first, with the evidence: relation, cosine, distance, evidence.
///
/// The relation is the first of these that holds, with the limits of comparison_thresholds: different models (less than half of either's
/// parameters matched); identical; dtype cast; unrelated (cosine of the matrices below 0.3); quantized copy; pruned copy; adapter-like
/// (no matrix changed in more than a quarter of its directions); fine-tune. From scans alone: same figures or undecided.
WEIGHTSCOPE_INLINE void decide_relation_inplace(comparison_result& r);

/// The `limit` layers that changed most: by ‖b - a‖ / ‖a‖, or where only scans are there by change_score; layers that did not change are
/// left out.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<const compared_layer*> most_changed_layers(const comparison_result& r, std::size_t limit);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/comparison_verdict.hpp>
#endif
