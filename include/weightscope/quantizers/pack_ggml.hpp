#pragma once

#include <cstdint>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/quantizers/quantized_tensor.hpp>

namespace weightscope {

/// The bytes that ggml stores for codes of its own conventions.
///
///     const auto bytes = pack_ggml(quantize_uniform(w, parse_scheme("q4_0")));
///
/// @param q  of ggml-q4_0, ggml-q4_1, ggml-q5_0, ggml-q5_1, ggml-q8_0 or ggml-mxfp4, in rows of whole blocks of 32
/// @return   the blocks, row by row: what quantize_row_*_ref of ggml makes of the same floats, to the last bit, for finite weights
/// @throws std::invalid_argument  another scheme, or rows that are no whole blocks
/// @note ggml leaves NaN and infinities undefined; here they have the codes that quantize_uniform gives them
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<std::uint8_t> pack_ggml(const quantized_tensor& q);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/quantizers/impl/pack_ggml.hpp>
#endif
