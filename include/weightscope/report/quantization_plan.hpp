#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// One line of a table that recommend_quantization goes through for each layer: the first one that suits is taken.
struct quantization_choice
{
    std::string format = {};                              ///< "int8", "int8_per_row", "fp16"
    double bits = 16;                                     ///< per weight, scales not counted
    std::function<bool(const layer_result&)> suits = {};  ///< not set: always
    std::string meaning = {};                             ///< the condition in words
};

struct planned_layer
{
    std::string name = {};
    std::string format = {};
    double bits = 16;
    std::string reason = {};  ///< meaning of the choice
};

struct format_share
{
    std::string format = {};
    std::size_t layer_count = 0;  ///< tied ones and copies too
    std::size_t parameters = 0;   ///< counted once
};

struct quantization_plan
{
    std::vector<planned_layer> layers = {};  ///< matrices, in model order
    std::vector<format_share> formats = {};  ///< in the order of the choices, those that nobody took too
    metric bits_per_weight = {};             ///< mean over the parameters of the matrices, scales not counted
};

/// Chooses from what the scan measured at its number of bits: the coarsest scale whose SQNR reaches 30 dB, else 16 bits.
///
/// @param settings  of the scan: bits and group_size
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<quantization_choice> default_quantization_choices(const scan_options& settings = {});

/// Fixed thresholds in wide use: INT8 below 0.1 % extreme outliers and above 40 dB, INT16 below 1 % and above 30 dB, else FP16.
/// Per tensor 40 dB is out of reach of Gaussian weights, so that INT8 is hardly ever chosen.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<quantization_choice> classic_quantization_choices();

/// A storage format for each matrix, from measured figures alone.
///
/// @param scan     with quantization measured
/// @param choices  gone through in order; the last one takes what is left
/// @return         see quantization_plan; vectors stay as they are, and so do integers
/// @throws std::invalid_argument  there is no choice, or the last one does not take everything
[[nodiscard]] WEIGHTSCOPE_INLINE quantization_plan recommend_quantization(const scan_result& scan, const std::vector<quantization_choice>& choices);

/// The same with the default choices for the scan's own bits and group size.
[[nodiscard]] WEIGHTSCOPE_INLINE quantization_plan recommend_quantization(const scan_result& scan);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/quantization_plan.hpp>
#endif
