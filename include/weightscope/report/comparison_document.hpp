#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/series_result.hpp>

namespace weightscope {

/// A comparison as a document for a page or a review: what B is to A and why, what was found, every pair of tensors.
[[nodiscard]] WEIGHTSCOPE_INLINE report_document to_document(const comparison_result& r);

/// A series of checkpoints as such a document, with the figures of each.
[[nodiscard]] WEIGHTSCOPE_INLINE report_document to_document(const series_result& r);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/comparison_document.hpp>
#endif
