#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/quantization_plan.hpp>
#include <weightscope/report/quantization_rules.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::vector<quantization_choice> default_quantization_choices(const scan_options& settings)
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

WEIGHTSCOPE_INLINE std::vector<quantization_choice> classic_quantization_choices()
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

WEIGHTSCOPE_INLINE quantization_plan recommend_quantization(const scan_result& scan, const std::vector<quantization_choice>& choices)
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

WEIGHTSCOPE_INLINE quantization_plan recommend_quantization(const scan_result& scan)
{
    return recommend_quantization(scan, default_quantization_choices(scan.settings));
}

}  // namespace weightscope
