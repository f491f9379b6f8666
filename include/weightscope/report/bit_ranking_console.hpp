#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_selection_console.hpp>
#include <weightscope/report/text_layout.hpp>
#include <weightscope/scorers/bit_failing_share_result.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope {

namespace detail {

// The model without flips, then with each of some sets of them.
WEIGHTSCOPE_INLINE text_table flips_quality_table(const flips_quality& quality, const std::vector<std::string>& names);

// What the sets are called whose quality a ranking has, the plan first.
WEIGHTSCOPE_INLINE std::vector<std::string> flip_set_names(const bit_ranking& ranking, std::size_t count);

// The figures before, and what became of the flips.
WEIGHTSCOPE_INLINE std::vector<std::string> bit_ranking_sentences(const bit_ranking& ranking);

WEIGHTSCOPE_INLINE text_table ranked_flips_table(const bit_ranking& ranking, std::size_t count);

// What came of the search.
WEIGHTSCOPE_INLINE std::string bit_ranking_outcome(const bit_ranking& ranking);

WEIGHTSCOPE_INLINE std::vector<std::string> failing_share_sentences(const failing_share_result& result);

// By bit and kind of tensor, those that fail most first.
WEIGHTSCOPE_INLINE text_table failing_strata_table(const failing_share_result& result, std::size_t count);

WEIGHTSCOPE_INLINE void append_rows(std::string& text, const text_table& table, std::size_t width);

}  // namespace detail

/// A ranking for people: the figures before, what became of the flips, and the first `count` of those that were chosen.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_console(const bit_ranking& ranking, std::size_t width = 100, std::size_t count = 20);

/// The share of flips that fail for people, by bit and kind of tensor.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_console(const failing_share_result& result, std::size_t width = 100, std::size_t count = 20);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/bit_ranking_console.hpp>
#endif
