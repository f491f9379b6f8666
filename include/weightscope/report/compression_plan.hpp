#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/metric.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

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
                                  .rank =
                                      [rank](const layer_result& layer) {
                                          return layer.spectral ? *layer.spectral.*rank
                                                                : metric::missing("not measured");
                                      },
                                  .suits =
                                      [rank](const layer_result& layer) {
                                          const metric& k = *layer.spectral.*rank;
                                          return k.value < break_even_rank(layer.spectral->rows, layer.spectral->cols);
                                      },
                                  .meaning = meaning};
    };
    return {
        choice("factors", &spectral_result::numerical_rank, "the numerical rank is below the break-even rank: no loss"),
        choice("factors_99", &spectral_result::rank_99_energy,
               "99 % of the energy lies below the break-even rank: relative error 0.1")};
}

/// Fixed thresholds in wide use on r = stable rank / total rank: LoRA of rank 4 below 0.1, of rank 8 below 0.2, low rank 32 below 0.5.
/// A Gaussian matrix, which cannot be compressed, has r = 0.25 to 1: these promise more than the factors keep.
[[nodiscard]] inline std::vector<compression_choice> classic_compression_choices()
{
    const auto choice = [](const char* method, double rank, double limit) {
        return compression_choice{.method = method,
                                  .rank =
                                      [=](const layer_result& layer) {
                                          const bool measured = layer.spectral && layer.spectral->stable_rank.exists();
                                          return measured ? metric(rank) : metric::missing("not measured");
                                      },
                                  .suits =
                                      [=](const layer_result& layer) {
                                          return layer.spectral->stable_rank.value
                                                 < limit * static_cast<double>(layer.spectral->total_rank);
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
[[nodiscard]] inline compression_plan recommend_compression(
    const scan_result& scan, const std::vector<compression_choice>& choices = default_compression_choices())
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
