#pragma once
// Rules about changes and what they found, as JSON.

#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/layer_change.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const change_rule& r);

// Members "critical", "warning" and "info", and the table.
WEIGHTSCOPE_INLINE void append_findings(ordered_json& object, std::span<const finding> findings, std::span<const change_rule> rules);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/change_json.hpp>
#endif
