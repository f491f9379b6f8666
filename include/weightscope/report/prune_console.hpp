#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/text_layout.hpp>
#include <weightscope/scorers/prune_result.hpp>

namespace weightscope {

namespace detail {

// What may go at all, and what is compared.
WEIGHTSCOPE_INLINE std::vector<std::string> prune_scope_lines(const prune_result& result);

WEIGHTSCOPE_INLINE text_table prune_methods_table(const prune_result& result);

WEIGHTSCOPE_INLINE text_table prune_layers_table(const prune_result& result);

// The groups that go first, and the first one that stays.
WEIGHTSCOPE_INLINE text_table prune_groups_table(const prune_result& result, std::size_t count);

WEIGHTSCOPE_INLINE text_table prune_matrices_table(const prune_result& result, std::size_t count);

WEIGHTSCOPE_INLINE text_table prune_validation_table(const prune_result& result);

// From how much data the scores are, and how sure they are.
WEIGHTSCOPE_INLINE std::string prune_evidence_words(const prune_evidence& evidence);

WEIGHTSCOPE_INLINE std::string prune_verdict(const prune_result& result);

}  // namespace detail

/// A study of pruning for a terminal: what may go, the methods side by side, how far their scores can be trusted, what goes of each layer,
/// the verdict.
///
/// The method that counts has a star. overlap is the Jaccard index of what goes with what the first method removes; "together" and "sum"
/// are changes of the loss of a quarter of the checked groups, removed together and one by one.
///
/// @param options  see console_options; top_issues is the number of groups or matrices that are listed
/// @throws std::invalid_argument  options.width is not in 60 to 200
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_console(const prune_result& result, const console_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/prune_console.hpp>
#endif
