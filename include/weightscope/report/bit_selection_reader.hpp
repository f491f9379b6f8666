#pragma once

#include <filesystem>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_selection_json.hpp>
#include <weightscope/scorers/bit_candidates.hpp>

namespace weightscope {

/// A choice of weights as it was saved, the options that it was made with, and what its file says of the model.
struct saved_bit_selection
{
    bit_selection selection = {};
    select_bits_options options = {};
    bit_report_context context = {};
};

/// Reads what to_json(bit_selection) gives, so that shards can be put together.
///
/// @throws io_error  the file cannot be read, or is no such document
[[nodiscard]] WEIGHTSCOPE_INLINE saved_bit_selection read_bit_selection(const std::filesystem::path& path);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/bit_selection_reader.hpp>
#endif
