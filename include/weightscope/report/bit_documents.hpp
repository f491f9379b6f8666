#pragma once
// What bits do, for a page or a review.

#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_map_study_result.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_failing_share_result.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope {

/// A map of bits as a document: what flips do, and the worst bit of every tensor.
[[nodiscard]] WEIGHTSCOPE_INLINE report_document to_document(const bit_map_study_result& study);

/// Chosen weights as a document.
/// @param model  that they are of
[[nodiscard]] WEIGHTSCOPE_INLINE report_document to_document(const bit_selection& selection, const std::string& model);

/// A ranking as a document: the flips that were chosen, and what they do to the model.
/// @param model  that they are of
[[nodiscard]] WEIGHTSCOPE_INLINE report_document to_document(const bit_ranking& ranking, const std::string& model);

/// The share of flips that fail as a document.
/// @param model  that they are of
[[nodiscard]] WEIGHTSCOPE_INLINE report_document to_document(const failing_share_result& result, const std::string& model);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/bit_documents.hpp>
#endif
