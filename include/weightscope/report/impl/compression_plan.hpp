#pragma once

#include <cstddef>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/compression_plan.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::vector<compression_choice> default_compression_choices()
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

WEIGHTSCOPE_INLINE std::vector<compression_choice> classic_compression_choices()
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

WEIGHTSCOPE_INLINE compression_plan recommend_compression(const scan_result& scan, const std::vector<compression_choice>& choices)
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
