#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/quantization_rules.hpp>
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
[[nodiscard]] inline std::vector<quantization_choice> default_quantization_choices(const scan_options& settings = {})
{
    const auto choice = [&](const std::string& scale, metric quantization_sensitivity_result::*sqnr_db,
                            const char* what) {
        return quantization_choice{.format = fmt::format("int{}{}", settings.bits, scale),
                                   .bits = static_cast<double>(settings.bits),
                                   .suits =
                                       [sqnr_db](const layer_result& layer) {
                                           return layer.quantization
                                                  && detail::reaches_db(*layer.quantization.*sqnr_db, good_sqnr_db);
                                       },
                                   .meaning = fmt::format("{} dB or more with one scale per {}", good_sqnr_db, what)};
    };
    return {choice("", &quantization_sensitivity_result::sqnr_db, "tensor"),
            choice("_per_row", &quantization_sensitivity_result::per_channel_sqnr_db, "row"),
            choice(fmt::format("_g{}", settings.group_size), &quantization_sensitivity_result::group_sqnr_db, "group"),
            {.format = "16bit", .bits = 16, .meaning = "less than that with any of these scales"}};
}

/// Fixed thresholds in wide use: INT8 below 0.1 % extreme outliers and above 40 dB, INT16 below 1 % and above 30 dB, else FP16.
/// Per tensor 40 dB is out of reach of Gaussian weights, so that INT8 is hardly ever chosen.
[[nodiscard]] inline std::vector<quantization_choice> classic_quantization_choices()
{
    const auto within = [](double extreme_percentage, double sqnr_db) {
        return [=](const layer_result& layer) {
            if (!layer.quantization || !layer.quantization->extreme_outlier_percentage.exists())
                return false;
            const metric& sqnr = layer.quantization->sqnr_db;
            return layer.quantization->extreme_outlier_percentage.value < extreme_percentage
                   && (sqnr.exists() ? sqnr.value > sqnr_db : detail::reaches_db(sqnr, sqnr_db));
        };
    };
    return {
        {.format = "int8", .bits = 8, .suits = within(0.1, 40), .meaning = "extreme outliers < 0.1 % and SQNR > 40 dB"},
        {.format = "int16", .bits = 16, .suits = within(1, 30), .meaning = "extreme outliers < 1 % and SQNR > 30 dB"},
        {.format = "fp16", .bits = 16, .meaning = "more outliers or less SQNR"}};
}

/// A storage format for each matrix, from measured figures alone.
///
/// @param scan     with quantization measured
/// @param choices  gone through in order; the last one takes what is left
/// @return         see quantization_plan; vectors stay as they are, and so do integers
/// @throws std::invalid_argument  there is no choice, or the last one does not take everything
[[nodiscard]] inline quantization_plan recommend_quantization(const scan_result& scan,
                                                              const std::vector<quantization_choice>& choices)
{
    require(!choices.empty() && !choices.back().suits,
            "recommend_quantization(scan, choices): the last choice has to take what is left, without `suits`");
    quantization_plan plan;
    for (const quantization_choice& choice : choices)
        plan.formats.push_back({.format = choice.format});
    double parameters = 0, bits = 0;
    for (const layer_result& layer : scan.layers) {
        if (!detail::holds_real_matrix(layer) || !layer.skipped.empty() || !layer.error.empty())
            continue;
        const auto chosen = std::find_if(choices.begin(), choices.end(),
                                         [&](const quantization_choice& c) { return !c.suits || c.suits(layer); });
        plan.layers.push_back(
            {.name = layer.name, .format = chosen->format, .bits = chosen->bits, .reason = chosen->meaning});
        format_share& share = plan.formats[static_cast<std::size_t>(chosen - choices.begin())];
        ++share.layer_count;
        if (layer.counted_elsewhere())
            continue;
        share.parameters += layer.parameters;
        parameters += static_cast<double>(layer.parameters);
        bits += static_cast<double>(layer.parameters) * chosen->bits;
    }
    plan.bits_per_weight = parameters > 0 ? metric(bits / parameters) : metric::missing("no matrices");
    return plan;
}

/// The same with the default choices for the scan's own bits and group size.
[[nodiscard]] inline quantization_plan recommend_quantization(const scan_result& scan)
{
    return recommend_quantization(scan, default_quantization_choices(scan.settings));
}

}  // namespace weightscope
