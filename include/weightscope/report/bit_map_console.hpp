#pragma once

#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_map_study_result.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE text_table worst_bits_table(const std::vector<const tensor_bit_map*>& order);

// What is in a map, in sentences.
WEIGHTSCOPE_INLINE std::vector<std::string> bit_map_sentences(const bit_map_study_result& study);

}  // namespace detail

/// A map of a model's bits for a terminal: what is in it, the tensors with the worst bits, a picture of bits and tensors.
///
/// @param options  width, colours, and how many tensors are shown
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_console(const bit_map_study_result& study, const console_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/bit_map_console.hpp>
#endif
