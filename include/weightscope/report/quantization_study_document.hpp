#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/quantization_diff_result.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

/// A study of ways to quantize as a document for a page or a review: the recommended variant, all of them, and every layer in it.
[[nodiscard]] WEIGHTSCOPE_INLINE report_document to_document(const quantization_study_result& study);

/// Conventions beside each other as such a document.
[[nodiscard]] WEIGHTSCOPE_INLINE report_document to_document(const quantization_diff_result& diff);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/quantization_study_document.hpp>
#endif
