#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/planned_flip.hpp>

namespace weightscope {

/// The flip of one bit of a file's tensor as a plan has it, with its codes and values.
///
/// @param element  row-major number of the weight
/// @param part     of bit_parts(): of a scale, the values are those of this weight
/// @throws std::invalid_argument  there is no such element, part or bit
[[nodiscard]] WEIGHTSCOPE_INLINE planned_flip plan_flip(const named_tensor& tensor, std::size_t element, unsigned bit,
                                                        std::string_view part = "code");

/// One entry as JSON: {"model", "name", "flat", "bit", "part", "old", "new", "old_code", "new_code"}. Values that are not finite are
/// null, codes are text in base 16, and what is not known is left out.
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const planned_flip& flip);

/// A plan as JSON: {"schema": "weightscope/bits_plan/1", "version", "meta": {"model", "format"}, "plan": [...]}.
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const bit_plan& plan);

/// The text of that document: indented by two, one newline at its end, bytes that are not UTF-8 replaced by U+FFFD.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_text(const bit_plan& plan);

/// Reads a plan from a JSON file: what to_json() gives, what `bits rank` writes, or any object with a list of {"name", "flat", "bit"}.
///
/// @param source  "plan" or "ranked": the list that is taken
/// @throws io_error  the file cannot be read, or an entry is not as it should be, with its number and field
[[nodiscard]] WEIGHTSCOPE_INLINE bit_plan read_bit_plan(const std::filesystem::path& path, std::string_view source = "plan");

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/bit_plan.hpp>
#endif
