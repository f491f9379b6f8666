#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/analyzers/heavy_tail.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/weightwatcher.hpp>

namespace weightscope {

namespace detail {

// The σ that WeightWatcher looks at: of a matrix its own, of a convolution those of all taps together, divided by √2.
inline std::optional<singular_values_result> weightwatcher_spectrum(const layer_result& layer)
{
    if (layer.counted_elsewhere() || !layer.spectral)
        return std::nullopt;
    if (layer.shape.size() == 2)
        return layer.spectral->singular_values;
    if (layer.shape.size() != 4 || !layer.tap_spectra)
        return std::nullopt;
    std::vector<std::pair<double, double>> pooled;  // with half-widths
    for (const singular_values_result& tap : layer.tap_spectra->taps)
        for (std::size_t i = 0; i < tap.values.size(); ++i)
            pooled.emplace_back(tap.values[i] / std::sqrt(2.0), tap.half_widths[i] / std::sqrt(2.0));
    std::sort(pooled.begin(), pooled.end(), std::greater<>());
    singular_values_result result;
    for (const auto& [value, half_width] : pooled) {
        result.values.push_back(value);
        result.half_widths.push_back(half_width);
    }
    return result;
}

inline weightwatcher_layer weightwatcher_layer_of(const layer_result& layer, const singular_values_result& spectrum)
{
    const std::vector<double>& sigma = spectrum.values;
    const std::size_t inputs = layer.shape[1], outputs = layer.shape[0];
    weightwatcher_layer result{.name = layer.name,
                               .layer_type = layer.shape.size() == 2 ? "dense" : "conv2d",
                               .m = std::min(inputs, outputs),
                               .n = std::max(inputs, outputs),
                               .rf = layer.shape.size() == 2 ? 1 : layer.tap_spectra->tap_count,
                               .num_evals = sigma.size(),
                               .sv_max = sigma.front(),
                               .sv_min = sigma.back(),
                               .tail = heavy_tail_of(spectrum, {.ww_compat = true})};
    const double tolerance = result.sv_max * static_cast<double>(result.n) * 0x1p-52;
    for (std::size_t i = 0; i < sigma.size(); ++i) {
        result.norm += sigma[i] * sigma[i];
        result.weak_rank_loss += sigma[i] * sigma[i] < 1e-6;
        result.rank_loss += sigma[i] <= tolerance || sigma[i] <= spectrum.half_widths[i];
    }
    result.matrix_rank = sigma.size() - result.rank_loss;
    result.spectral_norm = result.sv_max * result.sv_max;
    result.stable_rank = result.norm / result.spectral_norm;
    double entropy = 0;
    for (const double s : sigma) {
        const double p = s * s / result.norm + 1e-10;
        entropy -= p * std::log(p);
    }
    result.entropy = result.matrix_rank > 1 ? metric(entropy / std::log(static_cast<double>(result.matrix_rank)))
                                            : metric::missing("one direction");
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<weightwatcher_layer> to_weightwatcher_layers(const scan_result& scan)
{
    constexpr std::size_t min_evals = 10;
    std::vector<weightwatcher_layer> layers;
    for (std::size_t i = 0; i < scan.layers.size(); ++i)
        if (const auto spectrum = detail::weightwatcher_spectrum(scan.layers[i]);
            spectrum && spectrum->values.size() >= min_evals && spectrum->values.front() > 0) {
            layers.push_back(detail::weightwatcher_layer_of(scan.layers[i], *spectrum));
            layers.back().layer_id = i;
        }
    return layers;
}

WEIGHTSCOPE_INLINE weightwatcher_means to_weightwatcher_means(const std::vector<weightwatcher_layer>& layers)
{
    const auto over_layers = [&](auto number_of) {
        double sum = 0;
        std::size_t count = 0;
        for (const weightwatcher_layer& layer : layers)
            if (const metric number = number_of(layer); number.exists()) {
                sum += number.value;
                ++count;
            }
        return count > 0 ? metric(sum / static_cast<double>(count)) : metric::missing("no layers");
    };
    return {.layer_count = layers.size(),
            .log_norm = over_layers([](const auto& l) { return l.tail.log_norm; }),
            .alpha = over_layers([](const auto& l) { return l.tail.fit.alpha; }),
            .alpha_weighted = over_layers([](const auto& l) { return l.tail.alpha_weighted; }),
            .log_alpha_norm = over_layers([](const auto& l) { return l.tail.log_alpha_norm; }),
            .log_spectral_norm = over_layers([](const auto& l) { return l.tail.log_spectral_norm; }),
            .stable_rank = over_layers([](const auto& l) { return metric(l.stable_rank); })};
}

WEIGHTSCOPE_INLINE std::string to_text(const weightwatcher_means& means)
{
    std::string text = fmt::format("means over {} layers", means.layer_count);
    const std::pair<const char*, const metric*> numbers[] = {
        {": alpha ", &means.alpha},     {", alpha_weighted ", &means.alpha_weighted},       {", log_alpha_norm ", &means.log_alpha_norm},
        {", log_norm ", &means.log_norm}, {", log_spectral_norm ", &means.log_spectral_norm}, {", stable_rank ", &means.stable_rank}};
    for (const auto& [name, number] : numbers)
        text += name + detail::figure(*number);
    return text + "\n";
}

WEIGHTSCOPE_INLINE std::string to_weightwatcher_csv(const std::vector<weightwatcher_layer>& layers)
{
    std::string text =
        "layer_id,name,D,M,N,Q,alpha,alpha_weighted,entropy,has_esd,lambda_max,layer_type,log_alpha_norm,log_norm,log_spectral_norm,"
        "matrix_rank,norm,num_evals,num_pl_spikes,rank_loss,rf,sigma,spectral_norm,stable_rank,status,sv_max,sv_min,warning,"
        "weak_rank_loss,xmax,xmin\n";
    const auto cell = [](const metric& number) { return number.exists() ? detail::csv_number(number.value) : std::string(); };
    for (const weightwatcher_layer& l : layers) {
        const power_law_result& fit = l.tail.fit;
        const char* warning = !fit.alpha.exists() ? "" : fit.alpha.value < 2 ? "over-trained" : fit.alpha.value > 6 ? "under-trained" : "";
        const std::vector<std::string> cells = {
            fmt::format("{}", l.layer_id), detail::quoted(l.name), cell(fit.ks_distance), fmt::format("{}", l.m), fmt::format("{}", l.n),
            detail::csv_number(static_cast<double>(l.n) / static_cast<double>(l.m)), cell(fit.alpha), cell(l.tail.alpha_weighted),
            cell(l.entropy), "True", detail::csv_number(l.spectral_norm), l.layer_type, cell(l.tail.log_alpha_norm), cell(l.tail.log_norm),
            cell(l.tail.log_spectral_norm), fmt::format("{}", l.matrix_rank), detail::csv_number(l.norm), fmt::format("{}", l.num_evals),
            fmt::format("{}", fit.tail_count), fmt::format("{}", l.rank_loss), fmt::format("{}", l.rf), cell(fit.alpha_error),
            detail::csv_number(l.spectral_norm), detail::csv_number(l.stable_rank), fit.alpha.exists() ? "success" : fit.alpha.reason,
            detail::csv_number(l.sv_max), detail::csv_number(l.sv_min), warning, fmt::format("{}", l.weak_rank_loss), cell(fit.xmax),
            cell(fit.xmin)};
        text += fmt::format("{}\n", fmt::join(cells, ","));
    }
    return text;
}

}  // namespace weightscope
