#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

using nlohmann::ordered_json;

}  // namespace detail

/// A verdict as the "health" part of a saved scan.
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const health_result& health);

/// A scan and its verdict as one document, "weightscope/scan/1", described by tests/schemas/scan.schema.json.
///
/// A number that does not exist is null, with the reason beside it in "<field>_reason"; there is no NaN and no Infinity. Layers
/// stand in model order. Doubles read back to the same bits.
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const scan_result& scan, const health_result& health);

/// The text of a document: indented by two, one newline at its end, bytes that are not UTF-8 replaced by U+FFFD.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_text(const nlohmann::ordered_json& document);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/json.hpp>
#endif
