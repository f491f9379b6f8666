#pragma once

#include <cstddef>
#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::string findings_text(const health_result& health, const console_options& options, const console_style& style);

WEIGHTSCOPE_INLINE text_table condition_table(const scan_result& scan, std::size_t limit);

WEIGHTSCOPE_INLINE text_table quantization_table(const scan_result& scan, std::size_t limit);

// Only layers of which a tenth is zero, or that have dead rows or columns.
WEIGHTSCOPE_INLINE text_table sparsity_table(const scan_result& scan, std::size_t limit);

// Heaviest tails first.
WEIGHTSCOPE_INLINE text_table heavy_tail_table(const scan_result& scan, std::size_t limit);

}  // namespace detail

/// A scan and its verdict for a terminal: the verdict first, then the worst findings, then the layers that stand out.
///
///     Health 39/100, Critical: do not deploy (held at 39 by nonfinite)
///     1 critical finding, 2 warnings, 0 notes in 53 tensors of model.safetensors
///
///     critical  transformer.h.3.attn.c_attn.weight  nonfinite
///               3 NaN and 0 infinite among 110,592 entries; whatever this layer feeds becomes NaN or infinite
///               Go back to the last checkpoint without them; ...
///
/// @param scan     see scan
/// @param health   see judge
/// @param options  see console_options
/// @return         UTF-8, lines of at most options.width columns; control characters in names are escaped, so that a file cannot
///                 speak to the terminal; escape sequences only with options.color
/// @throws std::invalid_argument  options.width is not in 60 to 200
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_console(const scan_result& scan, const health_result& health, const console_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/console.hpp>
#endif
