#pragma once

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/document.hpp>

namespace weightscope {

/// A plan as a document for a page or a review: every decision with the steps next to it, and what rules of thumb lose.
[[nodiscard]] WEIGHTSCOPE_INLINE report_document to_document(const allocation_plan& plan);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/allocation_document.hpp>
#endif
