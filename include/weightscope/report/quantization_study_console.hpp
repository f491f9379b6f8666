#pragma once

#include <cstddef>
#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

namespace detail {

// What is quantized at all, and why the rest is not.
WEIGHTSCOPE_INLINE std::string study_scope_text(const quantization_study_result& study, std::size_t width);

WEIGHTSCOPE_INLINE std::string study_verdict_text(const quantization_study_result& study, const console_style& style, std::size_t width);

}  // namespace detail

/// A study for a terminal: what is quantized, each variant as a whole, the worst layers, what each decision was worth, the verdict.
///
/// The recommended variant has a star. Of variants that choose, every layer's scheme is told, or of large models how many took which.
///
/// @param options  see console_options; top_issues is the number of worst layers
/// @return         UTF-8, lines of at most options.width columns where the figures find place
/// @throws std::invalid_argument  options.width is not in 60 to 200
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_console(const quantization_study_result& study, const console_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/quantization_study_console.hpp>
#endif
