#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include <weightscope/quantizers/scheme.hpp>

namespace weightscope {

/// How a runtime quantizes weights.
struct convention
{
    std::string_view name = {};
    std::string_view version = {};  ///< what was followed
    std::string_view source = {};   ///< where that is written
    scheme options = {};
    std::string_view note = {};     ///< what sets it apart, in a sentence
};

namespace detail {

// torch.finfo(torch.float32).eps and .tiny
inline constexpr double float_epsilon = 0x1p-23, float_least_normal = 0x1p-126;

constexpr scheme grouped(scheme options, std::size_t size)
{
    options.granularity = scale_granularity::per_group;
    options.group_size = size;
    return options;
}

constexpr scheme by_channel(scheme options)
{
    options.granularity = scale_granularity::per_channel;
    return options;
}

constexpr scheme grid_scheme(element_grid grid)
{
    return {.bits = format_of(grid).bits, .grid = grid};
}

constexpr scheme symmetric_scheme(int bits, const scale_rules& rules)
{
    return {.bits = bits, .full_range = true, .rules = rules};
}

constexpr scheme asymmetric_scheme(int bits, const scale_rules& rules)
{
    return {.bits = bits, .symmetric = false, .rules = rules};
}

// Blocks of 32 with a power of two for a scale.
constexpr scheme mx_scheme(element_grid grid, scale_base base, rounding_mode rounding = rounding_mode::half_even)
{
    scheme options = grouped(grid_scheme(grid), 32);
    options.scale = scale_type::e8m0;
    options.rounding = rounding;
    options.rules.base = base;
    return options;
}

// The same with integers, whose scale is that of the lowest bit.
constexpr scheme mx_integer_scheme(int bits, scale_base base, rounding_mode rounding)
{
    return {.bits = bits, .granularity = scale_granularity::per_group, .group_size = 32, .rounding = rounding, .scale = scale_type::e8m0, .rules = {.base = base}};
}

constexpr scheme nv_scheme(const scale_rules& rules)
{
    scheme options = grouped(grid_scheme(element_grid::fp4_e2m1), 16);
    options.scale = scale_type::e4m3;
    options.rules = rules;
    return options;
}

// Blocks of 32 whose scale is a half float, and stays as large as a float while codes are made.
constexpr scheme ggml_scheme(int bits, bool symmetric, scale_base base)
{
    return {.bits = bits,
            .symmetric = symmetric,
            .granularity = scale_granularity::per_group,
            .group_size = 32,
            .full_range = base == scale_base::signed_largest,
            .rounding = base == scale_base::largest ? rounding_mode::half_away : rounding_mode::half_up,
            .scale = scale_type::f16,
            .rules = {.base = base, .zero_scale = 0, .holds_zero = symmetric, .reciprocal = true, .unrounded = true, .minimum = !symmetric}};
}

constexpr scheme with_base(element_grid grid, const scale_rules& rules)
{
    scheme options = grid_scheme(grid);
    options.rules = rules;
    return options;
}

inline constexpr std::string_view torch_version = "1.13", torch_source = "torch/ao/quantization/observer.py; ATen quantize_per_channel";
inline constexpr std::string_view torchao_version = "commit 000a0fd", torchao_source = "torchao/quantization/quant_primitives.py";
inline constexpr std::string_view ocp_version = "MX 1.0, torchao commit 050515e", ocp_source = "torchao/prototype/mx_formats/mx_tensor.py, to_mx";
inline constexpr std::string_view onnx_version = "onnxruntime 1.31", onnx_source = "onnxruntime/python/tools/quantization/quant_utils.py, compute_scale_zp";
inline constexpr std::string_view compressed_version = "commit 04a58ff", compressed_source = "compressed_tensors/quantization/utils/helpers.py; lifecycle/forward.py";
inline constexpr std::string_view gptq_version = "commit 2e22596", gptq_source = "IST-DASLab/gptq, quant.py";
inline constexpr std::string_view awq_version = "commit 02c1dd6", awq_source = "mit-han-lab/llm-awq, awq/quantize/quantizer.py";
inline constexpr std::string_view ggml_version = "2026 with q2_0 and nvfp4", ggml_source = "ggml/src/ggml-quants.c, quantize_row_*_ref";
inline constexpr std::string_view nncf_version = "with calculate_signed_scale", nncf_source = "nncf/quantization/algorithms/weight_compression/weight_lowering.py";
inline constexpr std::string_view bitsandbytes_version = "0.38 and later", bitsandbytes_source = "bitsandbytes, csrc/kernels.cu, kQuantizeBlockwise";
inline constexpr std::string_view microxcaling_version = "commit 3b429a8", microxcaling_source = "microsoft/microxcaling, mx/mx_ops.py; mx/elemwise_ops.py";
inline constexpr std::string_view quanto_version = "commit 2891200", quanto_source = "optimum/quanto/tensor/optimizers; tensor/quantizers/affine.py";
inline constexpr std::string_view modelopt_version = "commit 211c6b3", modelopt_source = "modelopt/torch/quantization/qtensor/nvfp4_tensor.py";

inline constexpr scale_rules torch_symmetric_rules = {.base = scale_base::half_span, .least_scale = float_epsilon, .zero_scale = 0, .reciprocal = true};
inline constexpr scale_rules torch_asymmetric_rules = {.base = scale_base::span, .least_scale = float_epsilon, .zero_scale = 0, .reciprocal = true};
inline constexpr scale_rules onnx_rules = {.base = scale_base::largest, .zero_below = float_least_normal, .in_double = true};
inline constexpr scale_rules onnx_half_span_rules = {.base = scale_base::half_span, .zero_below = float_least_normal, .in_double = true};
inline constexpr scale_rules onnx_span_rules = {.base = scale_base::span, .zero_below = float_least_normal, .in_double = true, .zero_sum = true};
inline constexpr scale_rules compressed_rules = {.base = scale_base::half_span, .zero_scale = float_epsilon};
inline constexpr scale_rules compressed_largest_rules = {.base = scale_base::largest, .zero_scale = float_epsilon};
inline constexpr scale_rules compressed_span_rules = {.base = scale_base::span, .zero_scale = float_epsilon, .zero_first = true, .zero_sum = true};
inline constexpr scale_rules quanto_shift_rules = {.base = scale_base::span, .holds_zero = false, .minimum = true};
inline constexpr double gptq_zero_scale = static_cast<double>(2.0F / 15), awq_least_range = static_cast<double>(1e-5F);

inline constexpr auto known_conventions = std::to_array<convention>({
    {"onnx-int8", onnx_version, onnx_source, by_channel({.bits = 8, .rules = onnx_rules}), "codes -127 to 127, max|w| / 127"},
    {"onnx-int8-asym", onnx_version, onnx_source, by_channel(asymmetric_scheme(8, onnx_span_rules)), "zero point from the scale in double"},
    {"onnx-int4", onnx_version, onnx_source, grouped(symmetric_scheme(4, onnx_half_span_rules), 128),
     "codes -8 to 7, max|w| / 7.5: the largest weights are clipped by half a step where positive"},
    {"torch-int8", torch_version, torch_source, by_channel(symmetric_scheme(8, torch_symmetric_rules)),
     "codes -128 to 127, max|w| / 127.5, times 1 / s"},
    {"torch-int8-asym", torch_version, torch_source, by_channel(asymmetric_scheme(8, torch_asymmetric_rules)), "times 1 / s instead of over s"},
    {"torchao-int4-sym", torchao_version, torchao_source, grouped(symmetric_scheme(4, torch_symmetric_rules), 128), "codes -8 to 7, max|w| / 7.5"},
    {"torchao-int4-asym", torchao_version, torchao_source, grouped(asymmetric_scheme(4, torch_asymmetric_rules), 128),
     "times 1 / s instead of over s"},
    {"torchao-int8", torchao_version, torchao_source, by_channel(symmetric_scheme(8, torch_symmetric_rules)),
     "codes -128 to 127, max|w| / 127.5, times 1 / s"},
    {"compressed-tensors-int4", compressed_version, compressed_source, grouped(symmetric_scheme(4, compressed_rules), 128),
     "codes -8 to 7, max|w| / 7.5, over s"},
    {"compressed-tensors-int4-asym", compressed_version, compressed_source, grouped(asymmetric_scheme(4, compressed_span_rules), 128),
     "the zero point is added before the sum is rounded"},
    {"compressed-tensors-int8", compressed_version, compressed_source, by_channel(symmetric_scheme(8, compressed_rules)),
     "codes -128 to 127, max|w| / 127.5, over s"},
    {"compressed-tensors-fp8", compressed_version, compressed_source, by_channel(with_base(element_grid::fp8_e4m3, compressed_largest_rules)),
     "max|w| / 448"},
    {"gptq-int4", gptq_version, gptq_source, grouped(symmetric_scheme(4, {.base = scale_base::half_span_signed, .zero_scale = gptq_zero_scale}), 128),
     "max|w| / 7.5, but / 15 where no weight is negative: such groups lose their upper half"},
    {"gptq-int4-asym", gptq_version, gptq_source, grouped(asymmetric_scheme(4, {.base = scale_base::span, .zero_scale = gptq_zero_scale}), 128),
     "minimum to maximum, 0 included"},
    {"awq-int4", awq_version, awq_source, grouped(asymmetric_scheme(4, {.base = scale_base::span, .least_range = awq_least_range, .holds_zero = false}), 128),
     "minimum to maximum without 0: groups of one sign are clipped, since the zero point must be a code"},
    {"ggml-q4_0", ggml_version, ggml_source, ggml_scheme(4, true, scale_base::signed_largest), "the largest weight over -8 with its sign, halves up"},
    {"ggml-q4_1", ggml_version, ggml_source, ggml_scheme(4, false, scale_base::span), "scale and minimum"},
    {"ggml-q5_0", ggml_version, ggml_source, ggml_scheme(5, true, scale_base::signed_largest),
     "the largest weight over -16 with its sign, halves up"},
    {"ggml-q5_1", ggml_version, ggml_source, ggml_scheme(5, false, scale_base::span), "scale and minimum"},
    {"ggml-q8_0", ggml_version, ggml_source, ggml_scheme(8, true, scale_base::largest), "codes -127 to 127, max|w| / 127, halves away from zero"},
    {"ggml-mxfp4", ggml_version, ggml_source, mx_scheme(element_grid::fp4_e2m1, scale_base::power_log2, rounding_mode::half_to_zero),
     "floor of the logarithm as a float, halves toward zero"},
    {"nncf-int4-sym", nncf_version, nncf_source, grouped(symmetric_scheme(4, {.base = scale_base::signed_side, .least_scale = float_epsilon, .zero_scale = 0}), 128),
     "the larger end of the range over -8 with its sign, halves to even"},
    {"bitsandbytes-nf4", bitsandbytes_version, bitsandbytes_source, grouped(with_base(element_grid::nf4, {.base = scale_base::largest, .zero_scale = 0, .reciprocal = true}), 64),
     "quantiles of the normal distribution; blocks of the flattened tensor, which are those of rows where these are whole blocks"},
    {"microxcaling-mxfp4", microxcaling_version, microxcaling_source, mx_scheme(element_grid::fp4_e2m1, scale_base::power_log2, rounding_mode::half_away),
     "floor, halves away from zero"},
    {"microxcaling-mxfp8-e4m3", microxcaling_version, microxcaling_source, mx_scheme(element_grid::fp8_e4m3, scale_base::power_log2, rounding_mode::half_away),
     "floor, halves away from zero"},
    {"microxcaling-mxint8", microxcaling_version, microxcaling_source, mx_integer_scheme(8, scale_base::power_log2, rounding_mode::half_away),
     "whole 64ths of a power of two up to 127, halves away from zero; the scale is that of the lowest bit"},
    {"quanto-int8", quanto_version, quanto_source, by_channel({.bits = 8, .rules = {.base = scale_base::largest}}), "codes -127 to 127, max|w| / 127"},
    {"quanto-int4", quanto_version, quanto_source, grouped(asymmetric_scheme(4, quanto_shift_rules), 128), "scale and minimum, both floats: 0 is not kept"},
    {"quanto-int2", quanto_version, quanto_source, grouped(asymmetric_scheme(2, quanto_shift_rules), 128), "scale and minimum, both floats: 0 is not kept"},
    {"nvfp4-modelopt", modelopt_version, modelopt_source, nv_scheme({.base = scale_base::largest, .least_scale = 0x1p-9, .global = global_scale::multiplier}),
     "the scale of the tensor is stored as a multiplier"},
    {"nvfp4-compressed-tensors", compressed_version, compressed_source, nv_scheme({.base = scale_base::largest, .zero_scale = 0.125, .global = global_scale::divisor}),
     "the scale of the tensor is stored as a divisor"},
    {"ocp-mxfp4-floor", ocp_version, ocp_source, mx_scheme(element_grid::fp4_e2m1, scale_base::power_floor),
     "exponent rounded down: blocks whose largest weight is above 6 times it are clipped"},
    {"ocp-mxfp4-ceil", ocp_version, ocp_source, mx_scheme(element_grid::fp4_e2m1, scale_base::power_ceil), "exponent rounded up"},
    {"ocp-mxfp4-rceil", ocp_version, ocp_source, mx_scheme(element_grid::fp4_e2m1, scale_base::power_up), "the least exponent that clips nothing"},
    {"ocp-mxfp4-even", ocp_version, ocp_source, mx_scheme(element_grid::fp4_e2m1, scale_base::power_even),
     "max|w| is rounded to one bit before its exponent is taken"},
    {"ocp-mxfp6-e3m2-floor", ocp_version, ocp_source, mx_scheme(element_grid::fp6_e3m2, scale_base::power_floor), "exponent rounded down"},
    {"ocp-mxfp6-e3m2-ceil", ocp_version, ocp_source, mx_scheme(element_grid::fp6_e3m2, scale_base::power_ceil), "exponent rounded up"},
    {"ocp-mxfp6-e3m2-rceil", ocp_version, ocp_source, mx_scheme(element_grid::fp6_e3m2, scale_base::power_up),
     "the least exponent that clips nothing"},
    {"ocp-mxfp6-e3m2-even", ocp_version, ocp_source, mx_scheme(element_grid::fp6_e3m2, scale_base::power_even),
     "max|w| is rounded to two bits before its exponent is taken"},
    {"ocp-mxfp6-e2m3-floor", ocp_version, ocp_source, mx_scheme(element_grid::fp6_e2m3, scale_base::power_floor), "exponent rounded down"},
    {"ocp-mxfp6-e2m3-ceil", ocp_version, ocp_source, mx_scheme(element_grid::fp6_e2m3, scale_base::power_ceil), "exponent rounded up"},
    {"ocp-mxfp6-e2m3-rceil", ocp_version, ocp_source, mx_scheme(element_grid::fp6_e2m3, scale_base::power_up),
     "the least exponent that clips nothing"},
    {"ocp-mxfp6-e2m3-even", ocp_version, ocp_source, mx_scheme(element_grid::fp6_e2m3, scale_base::power_even),
     "max|w| is rounded to three bits before its exponent is taken"},
    {"ocp-mxfp8-e4m3-floor", ocp_version, ocp_source, mx_scheme(element_grid::fp8_e4m3, scale_base::power_floor), "exponent rounded down"},
    {"ocp-mxfp8-e4m3-ceil", ocp_version, ocp_source, mx_scheme(element_grid::fp8_e4m3, scale_base::power_ceil), "exponent rounded up"},
    {"ocp-mxfp8-e4m3-rceil", ocp_version, ocp_source, mx_scheme(element_grid::fp8_e4m3, scale_base::power_up),
     "the least exponent that clips nothing"},
    {"ocp-mxfp8-e4m3-even", ocp_version, ocp_source, mx_scheme(element_grid::fp8_e4m3, scale_base::power_even),
     "max|w| is rounded to three bits before its exponent is taken"},
    {"ocp-mxfp8-e5m2-floor", ocp_version, ocp_source, mx_scheme(element_grid::fp8_e5m2, scale_base::power_floor), "exponent rounded down"},
    {"ocp-mxfp8-e5m2-ceil", ocp_version, ocp_source, mx_scheme(element_grid::fp8_e5m2, scale_base::power_ceil), "exponent rounded up"},
    {"ocp-mxfp8-e5m2-rceil", ocp_version, ocp_source, mx_scheme(element_grid::fp8_e5m2, scale_base::power_up),
     "the least exponent that clips nothing"},
    {"ocp-mxfp8-e5m2-even", ocp_version, ocp_source, mx_scheme(element_grid::fp8_e5m2, scale_base::power_even),
     "max|w| is rounded to two bits before its exponent is taken"},
    {"compressed-tensors-mxfp4", compressed_version, compressed_source, mx_scheme(element_grid::fp4_e2m1, scale_base::power_even),
     "max|w| is rounded to one bit before its exponent is taken"},
});

struct convention_alias
{
    std::string_view alias;
    std::string_view name;
};

inline constexpr auto convention_aliases = std::to_array<convention_alias>({
    {"q4_0", "ggml-q4_0"},
    {"q4_1", "ggml-q4_1"},
    {"q5_0", "ggml-q5_0"},
    {"q5_1", "ggml-q5_1"},
    {"q8_0", "ggml-q8_0"},
    {"mxfp4", "ocp-mxfp4-floor"},
    {"mxfp6-e3m2", "ocp-mxfp6-e3m2-floor"},
    {"mxfp6-e2m3", "ocp-mxfp6-e2m3-floor"},
    {"mxfp8-e4m3", "ocp-mxfp8-e4m3-floor"},
    {"mxfp8-e5m2", "ocp-mxfp8-e5m2-floor"},
    {"nvfp4", "nvfp4-modelopt"},
});

}  // namespace detail

/// The conventions that are known, each with the version that was followed to the bit.
///
///     for (const convention& c : conventions()) print(c.name, simulate_quantization(w, c.options).sqnr_db);
///
/// Two of them may have the same rules; to_string() then tells the first. The names are read by parse_scheme(), which also takes them with
/// another granularity ("gptq-int4-g64"), with a search where their rules leave the range open ("gptq-int4-mse") and some of them shorter:
/// q4_0 to q8_0 of ggml, mxfp4, mxfp6-e3m2, mxfp6-e2m3, mxfp8-e4m3 and mxfp8-e5m2 for the floor rule of OCP, nvfp4 for that of modelopt.
/// Scales are computed from float weights; where a runtime keeps weights and scales in half floats its results differ in the last bits.
/// NaN and infinities have no say in scales, as in quantize_uniform; where a runtime would spoil the whole group, `odd.non_finite` of
/// quantize_uniform counts the groups that it would spoil.
[[nodiscard]] constexpr std::span<const convention> conventions() noexcept
{
    return detail::known_conventions;
}

}  // namespace weightscope
