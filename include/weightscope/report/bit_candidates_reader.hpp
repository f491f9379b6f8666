#pragma once

#include <filesystem>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/bit_candidates.hpp>

namespace weightscope {

/// The candidates of a file that `bits select` wrote, or any object with a list "candidates" of {"name", "flat"} and, if known, "score"
/// and "part".
///
/// @throws io_error  the file cannot be read, or an entry is not as it should be, with its number
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<bit_candidate> read_bit_candidates(const std::filesystem::path& path);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/bit_candidates_reader.hpp>
#endif
