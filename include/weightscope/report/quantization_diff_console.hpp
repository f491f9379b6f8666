#pragma once

#include <cstddef>
#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/quantization_diff_result.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE text_table diff_schemes_table(const quantization_diff_result& diff);

WEIGHTSCOPE_INLINE text_table diff_layers_table(const quantization_diff_result& diff, std::size_t limit);

WEIGHTSCOPE_INLINE text_table diff_groups_table(const quantization_diff_result& diff, std::size_t limit);

}  // namespace detail

/// Conventions beside each other for a terminal: all layers together and why they differ, the layers that are furthest apart, and in
/// each of them the worst group.
///
/// @param options  see console_options; top_issues is the number of layers
/// @return         UTF-8, lines of at most options.width columns where the figures find place
/// @throws std::invalid_argument  options.width is not in 60 to 200
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_console(const quantization_diff_result& diff, const console_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/quantization_diff_console.hpp>
#endif
