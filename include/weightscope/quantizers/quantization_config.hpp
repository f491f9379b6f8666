#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>

namespace weightscope {

/// The kinds of quantization that studies compare.
enum class quantization_type
{
    int8_per_tensor_sym,
    int8_per_tensor_asym,
    int8_per_channel_sym,
    int8_per_channel_asym,
    int4_group,       ///< symmetric, along a row
    mixed_precision,  ///< sensitive layers with `sensitive_bits`, the others with `normal_bits`
};

/// How a whole model is to be quantized. What is not set follows from `quant_type`.
///
///     quantization_config config{.quant_type = quantization_type::int4_group, .group_size = 64, .sensitive_layers = {"down_proj"}};
///     scheme_of(config)                       // int4-g64
///     scheme_of(config, true)                 // int8-g64, for the layers named above
struct quantization_config
{
    std::string name = {};                  ///< for reports; empty: see name_of
    quantization_type quant_type = quantization_type::int8_per_channel_sym;
    std::optional<int> bits = {};           ///< 2 to 8 or 16; of layers that are not sensitive
    std::optional<bool> symmetric = {};
    std::optional<bool> per_channel = {};   ///< one scale for each output; if false, one for the tensor
    std::size_t group_size = 128;           ///< of codes in groups
    bool skip_first_last = true;            ///< keep the first and the last layer as they are
    std::size_t calibration_samples = 100;  ///< rows of activations that an observer looks at; 0: all
    std::vector<std::string> sensitive_layers = {};  ///< regular expressions; a layer is sensitive if one matches a part of its name
    int sensitive_bits = 8;                 ///< that sensitive layers have at least
    int normal_bits = 4;                    ///< mixed_precision: of the other layers
};

namespace detail {

inline constexpr std::array<std::pair<quantization_type, std::string_view>, 6> quantization_types = {{
    {quantization_type::int8_per_tensor_sym, "int8_per_tensor_sym"},
    {quantization_type::int8_per_tensor_asym, "int8_per_tensor_asym"},
    {quantization_type::int8_per_channel_sym, "int8_per_channel_sym"},
    {quantization_type::int8_per_channel_asym, "int8_per_channel_asym"},
    {quantization_type::int4_group, "int4_group"},
    {quantization_type::mixed_precision, "mixed_precision"},
}};

inline constexpr std::array<std::string_view, 6> quantization_presets = {"production", "accuracy", "prototype",
                                                                         "mobile", "smallest", "balanced"};

}  // namespace detail

/// "int8_per_tensor_sym", "int4_group"...
[[nodiscard]] constexpr std::string_view to_string(quantization_type type)
{
    return detail::quantization_types[static_cast<std::size_t>(type)].second;
}

/// The kind of that name, the inverse of to_string.
/// @throws std::invalid_argument  there is none
[[nodiscard]] WEIGHTSCOPE_INLINE quantization_type parse_quantization_type(std::string_view text);

/// The scheme that a layer is quantized with.
///
///     mixed_precision        bits            one scale for each
///                            8 and more      output
///                            fewer           group of group_size
///
/// @param sensitive  whether the layer is one of sensitive_layers: then it has sensitive_bits, if these are more
/// @throws std::invalid_argument  there is no such scheme
[[nodiscard]] inline scheme scheme_of(const quantization_config& config, bool sensitive = false)
{
    const auto is = [&](quantization_type type) { return config.quant_type == type; };
    scheme result{.bits = is(quantization_type::int4_group)        ? 4
                          : is(quantization_type::mixed_precision) ? config.normal_bits
                                                                   : 8,
                  .symmetric = !is(quantization_type::int8_per_tensor_asym) && !is(quantization_type::int8_per_channel_asym),
                  .granularity = scale_granularity::per_channel};
    result.bits = config.bits.value_or(result.bits);
    if (sensitive)
        result.bits = std::max(result.bits, config.sensitive_bits);
    if (is(quantization_type::int8_per_tensor_sym) || is(quantization_type::int8_per_tensor_asym))
        result.granularity = scale_granularity::per_tensor;
    if (is(quantization_type::int4_group) || (is(quantization_type::mixed_precision) && result.bits < 8))
        result.granularity = scale_granularity::per_group;
    result.group_size = config.group_size;
    result.symmetric = config.symmetric.value_or(result.symmetric);
    if (config.per_channel)
        result.granularity = *config.per_channel ? scale_granularity::per_channel : scale_granularity::per_tensor;
    require_scheme(result, "scheme_of(config)", 2);
    return result;
}

/// What a report calls a configuration: its name, or else the scheme of its layers.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string name_of(const quantization_config& config);

/// A configuration for a purpose.
///
///     production   int8_per_channel_sym
///     accuracy     int8_per_channel_asym
///     prototype    int8_per_tensor_sym, nothing skipped
///     mobile       int4_group of 64
///     smallest     int4_group of 128
///     balanced     as production
///
/// @throws std::invalid_argument  there is none of that name
[[nodiscard]] WEIGHTSCOPE_INLINE quantization_config quantization_preset(std::string_view name);

/// The configurations that a study compares: INT8 with one scale for the tensor or for each output, symmetric and asymmetric, INT4 with
/// one scale for each output and in groups of 128, 64 and 32. Any two of them that differ in one respect tell what it is worth.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<quantization_config> study_configs();

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/quantizers/impl/quantization_config.hpp>
#endif
