#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/scorers/prune_result.hpp>

namespace weightscope {

/// A study of pruning as a document for a page or a review: what goes, what the methods leave of the model, every group or matrix.
[[nodiscard]] WEIGHTSCOPE_INLINE report_document to_document(const prune_result& result);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/prune_document.hpp>
#endif
