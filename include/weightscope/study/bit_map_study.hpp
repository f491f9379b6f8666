#pragma once

#include <weightscope/analyzers/bit_map.hpp>
#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/bit_map_study_result.hpp>

namespace weightscope {

/// What a flip of each stored bit of a file's tensor would do: those of its codes, and of GGUF blocks also those of the scales and
/// minima that weights share.
///
///     const bit_map_result map = map_bits(tensor);
///     map.positions[14].nan_count;   // flips of bit 14 that end at NaN
///
/// @param tensor   one that bit_parts() knows
/// @param options  see bit_map_options
/// @return         see analyze_bit_map; the change of a scale's bit is the largest among the weights that depend on it, and changes in
///                 blocks are those before the decoder rounds to float
/// @throws std::invalid_argument  its elements have no bits of their own that are known here, or an option is out of range
/// @throws io_error               the file changed while it was read
/// @note  two passes over the bytes; GGUF blocks are decoded a few times each. Same result for any number of threads
[[nodiscard]] WEIGHTSCOPE_INLINE bit_map_result map_bits(const named_tensor& tensor, const bit_map_options& options = {});

/// Maps the bits of all tensors of a model; those with the storage of an earlier one are listed, not mapped again.
///
/// @param m         of any format; reads it, changes nothing
/// @param options   see bit_map_study_options
/// @param progress  called as tensors begin and are done; may cancel
/// @throws std::invalid_argument  a pattern is no regular expression, a bit set has no such name, or rms_factor is not above 0
/// @throws io_error, cancelled
[[nodiscard]] WEIGHTSCOPE_INLINE bit_map_study_result map_bits(const model& m, const bit_map_study_options& options = {},
                                                               const progress_callback& progress = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/bit_map_study.hpp>
#endif
