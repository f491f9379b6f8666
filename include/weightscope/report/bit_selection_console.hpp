#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/text_layout.hpp>
#include <weightscope/scorers/bit_candidates.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::string bit_number_text(double value);

// What was looked at.
WEIGHTSCOPE_INLINE std::vector<std::string> bit_selection_sentences(const bit_selection& selection);

WEIGHTSCOPE_INLINE text_table bit_candidates_table(const bit_selection& selection, std::size_t count);

}  // namespace detail

/// Chosen weights for people: what was looked at, and the first `count` of them.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_console(const bit_selection& selection, std::size_t width = 100, std::size_t count = 20);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/bit_selection_console.hpp>
#endif
