#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/explanation.hpp>
#include <weightscope/report/layer_change.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE explanation explanation_of(const rule& r);

WEIGHTSCOPE_INLINE explanation explanation_of(const change_rule& r);

}  // namespace detail

/// What every field of a saved scan and every rule means: fields in the order of a scan, then the rules of default_rules, classic_rules,
/// heavy_tail_rules, comparison_rules and series_rules, each once.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<explanation> all_explanations();

/// What `word` means: the entry of that name, else all whose last part it is ("stable_rank"), or of whose name it is an end.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<explanation> explain_word(std::string_view word);

/// The names that come nearest to a word that is none, nearest first; none where nothing is near.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<std::string> similar_names(std::string_view word, std::size_t limit = 3);

/// An explanation for a terminal.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_text(const explanation& e);

/// The metric reference: all explanations as a page of Markdown. report/README.md is this text.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string explanations_page();

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/explanations.hpp>
#endif
