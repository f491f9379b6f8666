#pragma once

#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope {

namespace detail {

inline const char* scale_name(scale_type type)
{
    switch (type) {
    case scale_type::f16: return "-scale-f16";
    case scale_type::bf16: return "-scale-bf16";
    case scale_type::f64: return "-scale-f64";
    case scale_type::f32:
    case scale_type::e8m0:
    case scale_type::e4m3: break;
    }
    return "";
}

}  // namespace detail

/// The name of a scheme: "int8-per-channel-asym", "int4-g64", "int4-block-32x32-scale-f16-mse", "fp8-e4m3-per-channel", "gptq-int4-g64".
/// A scheme with rules that no convention has is called "-custom", which no name is read as.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_string(const scheme& options);

/// The scheme of a name, the inverse of `to_string`.
///
///     intB-RANGE[-sym|-asym|-full][-half-away|-stochastic[SEED]][-scale-f16|bf16|f64][-mse|-percentile[P]|-norm[P]]
///     GRID[-RANGE][-half-away][-scale-f16|bf16][-mse|-percentile[P]|-norm[P]]
///     CONVENTION[-RANGE][-mse|-percentile[P]|-norm[P]]
///
///     RANGE       per-tensor, per-channel[-axisN], gN (groups of N along a row), block-RxC
///     GRID        fp8-e4m3, fp8-e5m2, fp8-e4m3fnuz, fp8-e5m2fnuz, fp6-e3m2, fp6-e2m3, fp4-e2m1 (per-tensor), nf4 (g64)
///     CONVENTION  see conventions(): gptq-int4, ggml-q4_0 or q4_0, ocp-mxfp4-floor or mxfp4, nvfp4-modelopt or nvfp4...
///
/// @throws std::invalid_argument  the name is not of that form, or a number in it is out of range
[[nodiscard]] WEIGHTSCOPE_INLINE scheme parse_scheme(std::string_view text);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/quantizers/impl/scheme_name.hpp>
#endif
