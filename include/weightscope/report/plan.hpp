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
#include <weightscope/report/matrix_rules.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// One line of a table that recommend_quantization goes through for each layer: the first one that suits is taken.
struct quantization_choice
{
    std::string format = {};  ///< "int8", "int8_per_row", "fp16"
    double bits = 16;         ///< per weight, scales not counted
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
    const auto choice = [&](const std::string& scale, metric quantization_sensitivity_result::*sqnr_db, const char* what) {
        return quantization_choice{.format = fmt::format("int{}{}", settings.bits, scale),
                                   .bits = static_cast<double>(settings.bits),
                                   .suits =
                                       [sqnr_db](const layer_result& layer) {
                                           return layer.quantization && detail::reaches_db(*layer.quantization.*sqnr_db, good_sqnr_db);
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
    return {{.format = "int8", .bits = 8, .suits = within(0.1, 40), .meaning = "extreme outliers < 0.1 % and SQNR > 40 dB"},
            {.format = "int16", .bits = 16, .suits = within(1, 30), .meaning = "extreme outliers < 1 % and SQNR > 30 dB"},
            {.format = "fp16", .bits = 16, .meaning = "more outliers or less SQNR"}};
}

/// A storage format for each matrix, from measured figures alone.
///
/// @param scan     with quantization measured
/// @param choices  gone through in order; the last one takes what is left
/// @return         see quantization_plan; vectors stay as they are, and so do integers
/// @throws std::invalid_argument  there is no choice, or the last one does not take everything
[[nodiscard]] inline quantization_plan recommend_quantization(const scan_result& scan, const std::vector<quantization_choice>& choices)
{
    require(!choices.empty() && !choices.back().suits, "recommend_quantization(scan, choices): the last choice has to take what is left, without `suits`");
    quantization_plan plan;
    for (const quantization_choice& choice : choices)
        plan.formats.push_back({.format = choice.format});
    double parameters = 0, bits = 0;
    for (const layer_result& layer : scan.layers) {
        if (!detail::holds_real_matrix(layer) || !layer.skipped.empty() || !layer.error.empty())
            continue;
        const auto chosen = std::find_if(choices.begin(), choices.end(), [&](const quantization_choice& c) { return !c.suits || c.suits(layer); });
        plan.layers.push_back({.name = layer.name, .format = chosen->format, .bits = chosen->bits, .reason = chosen->meaning});
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

/// One line of a table that recommend_compression goes through for each layer: the first one that suits is taken.
struct compression_choice
{
    std::string method = {};
    std::function<metric(const layer_result&)> rank = {};  ///< of the two factors; missing: does not suit
    std::function<bool(const layer_result&)> suits = {};   ///< not set: always
    std::string meaning = {};                              ///< the condition, and what it costs, in words
};

struct compressed_layer
{
    std::string name = {};
    std::string method = {};
    std::size_t rank = 0;
    std::size_t parameters = 0;         ///< of the matrix
    std::size_t factor_parameters = 0;  ///< rank · (rows + cols)
    std::string reason = {};            ///< meaning of the choice
};

struct compression_plan
{
    std::vector<compressed_layer> layers = {};  ///< those that a choice suits, in model order
    std::size_t parameters = 0;                 ///< of all matrices, counted once
    std::size_t planned_parameters = 0;         ///< the same after the plan
};

/// Two factors where they hold fewer numbers than the matrix (rank below m n / (m + n)): without loss by the numerical rank, else
/// by the rank that keeps 99 % of the energy, a relative error of 10 %.
[[nodiscard]] inline std::vector<compression_choice> default_compression_choices()
{
    const auto choice = [](const char* method, metric spectral_result::*rank, const char* meaning) {
        return compression_choice{.method = method,
                                  .rank = [rank](const layer_result& layer) { return layer.spectral ? *layer.spectral.*rank : metric::missing("not measured"); },
                                  .suits =
                                      [rank](const layer_result& layer) {
                                          const metric& k = *layer.spectral.*rank;
                                          return k.value < break_even_rank(layer.spectral->rows, layer.spectral->cols);
                                      },
                                  .meaning = meaning};
    };
    return {choice("factors", &spectral_result::numerical_rank, "the numerical rank is below the break-even rank: no loss"),
            choice("factors_99", &spectral_result::rank_99_energy, "99 % of the energy lies below the break-even rank: relative error 0.1")};
}

/// Fixed thresholds in wide use on r = stable rank / total rank: LoRA of rank 4 below 0.1, of rank 8 below 0.2, low rank 32 below 0.5.
/// A Gaussian matrix, which cannot be compressed, has r = 0.25 to 1: these promise more than the factors keep.
[[nodiscard]] inline std::vector<compression_choice> classic_compression_choices()
{
    const auto choice = [](const char* method, double rank, double limit) {
        return compression_choice{.method = method,
                                  .rank = [=](const layer_result& layer) { return layer.spectral ? layer.spectral->stable_rank.exists() ? metric(rank) : layer.spectral->stable_rank : metric::missing("not measured"); },
                                  .suits =
                                      [=](const layer_result& layer) {
                                          return layer.spectral->stable_rank.value < limit * static_cast<double>(layer.spectral->total_rank);
                                      },
                                  .meaning = fmt::format("stable rank / total rank < {}", limit)};
    };
    return {choice("lora", 4, 0.1), choice("lora", 8, 0.2), choice("low_rank", 32, 0.5)};
}

/// Which matrices are worth keeping as two factors, from measured figures alone.
///
/// @param scan     with spectra measured
/// @param choices  gone through in order
/// @return         see compression_plan; a layer that no choice suits is not in the list
[[nodiscard]] inline compression_plan recommend_compression(const scan_result& scan,
                                                            const std::vector<compression_choice>& choices = default_compression_choices())
{
    compression_plan plan;
    for (const layer_result& layer : scan.layers) {
        if (!detail::is_matrix(layer) || !layer.skipped.empty() || !layer.error.empty())
            continue;
        std::size_t planned = layer.parameters;
        for (const compression_choice& choice : choices) {
            const metric rank = choice.rank(layer);
            if (!rank.exists() || (choice.suits && !choice.suits(layer)))
                continue;
            const auto [rows, cols] = detail::matrix_shape_of(layer);
            const auto k = static_cast<std::size_t>(rank.value);
            planned = k * (rows + cols);
            plan.layers.push_back({.name = layer.name,
                                   .method = choice.method,
                                   .rank = k,
                                   .parameters = layer.parameters,
                                   .factor_parameters = planned,
                                   .reason = choice.meaning});
            break;
        }
        if (!layer.counted_elsewhere()) {
            plan.parameters += layer.parameters;
            plan.planned_parameters += planned;
        }
    }
    return plan;
}

}  // namespace weightscope
