#pragma once

#include <cstddef>
#include <filesystem>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/token_rows.hpp>
#include <weightscope/io/mapped_file.hpp>

namespace weightscope {

struct read_tokens_options
{
    std::size_t length = 512;  ///< tokens of a row where the file holds one long text
};

/// Reads token numbers from an NPY file of any integer type: [rows, length] with negative numbers as padding at the end of rows,
/// or [count], one long text, which is cut into rows.
///
/// @throws io_error               the file is damaged, or holds no integers of rank 1 or 2, or no tokens
/// @throws std::invalid_argument  options.length is below 2
[[nodiscard]] WEIGHTSCOPE_INLINE token_rows read_tokens(const std::filesystem::path& path, const read_tokens_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/read_tokens.hpp>
#endif
