#pragma once

#include <filesystem>
#include <optional>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_selection_json.hpp>
#include <weightscope/scorers/bit_failing_share_result.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope {

/// A ranking as it was saved, and what its file says of the model.
struct saved_bit_ranking
{
    bit_ranking ranking = {};
    bit_report_context context = {};
    std::optional<failing_share_result> share = {};  ///< of a random sample: its strata, with the same ranking; the shares are not read
};

/// Reads what to_json(bit_ranking) and to_json(failing_share_result) give, with all records, so that shards can be put together.
///
/// @throws io_error  the file cannot be read, is no such document, or lacks its records
[[nodiscard]] WEIGHTSCOPE_INLINE saved_bit_ranking read_bit_ranking(const std::filesystem::path& path);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/bit_ranking_reader.hpp>
#endif
