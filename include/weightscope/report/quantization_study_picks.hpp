#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <queue>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/metric.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope::detail {

inline bool counted_elsewhere(const study_layer& layer)
{
    return !layer.tied_to.empty() || !layer.duplicate_of.empty();
}

inline const scheme_figures& figures_of(const study_layer& layer, const layer_pick& pick)
{
    return layer.figures[pick.scheme];
}

// Bytes of a layer in a file: storage that several tensors share is there once, copies each by themselves.
inline std::uint64_t bytes_of_pick(const study_layer& layer, const layer_pick& pick)
{
    if (!layer.tied_to.empty())
        return 0;
    return pick.scheme == kept_as_stored ? layer.bytes : figures_of(layer, pick).storage.bytes();
}

inline bool within(const quantization_error& error, study_metric which, double limit)
{
    const metric figure = figure_of(error, which);
    return figure.exists() ? figure.value <= limit : error.sums.squared_error == 0;
}

// Why a variant that skips or does not skip the ends keeps a layer; empty where it does not.
inline std::string kept_by(const study_layer& layer, bool skip_first_last)
{
    if (!layer.kept.empty())
        return layer.kept;
    if (!layer.error.empty())
        return "not measured";
    if (skip_first_last && (layer.first || layer.last))
        return layer.first ? "first layer" : "last layer";
    return {};
}

// Sums of a layer that stays as it is: weights without errors.
inline error_sums unharmed(const error_sums& sums)
{
    return {.count = sums.count, .non_finite_count = sums.non_finite_count, .signal = sums.signal, .max_magnitude = sums.max_magnitude};
}

// Fills in the figures of a variant from its name and picks.
inline void summarize_variant(const quantization_study_result& study, variant_result& variant)
{
    error_sums sums;
    std::uint64_t parameters = 0, stored = 0;
    for (std::size_t i = 0; i < study.layers.size(); ++i) {
        const study_layer& layer = study.layers[i];
        const layer_pick& pick = variant.picks[i];
        variant.bytes += bytes_of_pick(layer, pick);
        if (layer.tied_to.empty()) {
            stored += layer.bytes;
            parameters += layer.parameters;
        }
        variant.quantized_count += pick.scheme != kept_as_stored;
        if (layer.figures.empty() || counted_elsewhere(layer))
            continue;
        if (pick.scheme == kept_as_stored) {
            sums += unharmed(layer.figures.front().error.sums);
            continue;
        }
        const quantization_error& error = figures_of(layer, pick).error;
        sums += error.sums;
        const metric figure = figure_of(error, study.settings.error_metric);
        if (figure.exists() && !(variant.worst_error.exists() && variant.worst_error.value >= figure.value)) {
            variant.worst_error = figure;
            variant.worst_layer = i;
        }
    }
    if (!variant.worst_error.exists())
        variant.worst_error = metric::missing("no layer is quantized");
    variant.error = summarize_error(sums);
    variant.compression_ratio = variant.bytes > 0 ? metric(static_cast<double>(stored) / static_cast<double>(variant.bytes))
                                                  : metric::missing("no bytes");
    variant.bits_per_weight = parameters > 0 ? metric(8 * static_cast<double>(variant.bytes) / static_cast<double>(parameters))
                                             : metric::missing("no weights");
}

// Gives every layer the scheme that choose(layer, index) names.
template <class Choose>
variant_result make_variant(const quantization_study_result& study, std::string name, bool skip_first_last, const Choose& choose)
{
    variant_result variant{.name = std::move(name), .skip_first_last = skip_first_last};
    for (std::size_t i = 0; i < study.layers.size(); ++i) {
        std::string kept = kept_by(study.layers[i], skip_first_last);
        variant.picks.push_back(kept.empty() ? choose(study.layers[i], i) : layer_pick{.reason = std::move(kept)});
    }
    summarize_variant(study, variant);
    return variant;
}

inline std::string figure_text(const quantization_error& error, study_metric which)
{
    const metric figure = figure_of(error, which);
    return fmt::format("{} {}", to_string(which), figure.exists() ? fmt::format("{:.3g}", figure.value) : figure.reason);
}

// The smallest of `ladder` within max_error; among equals the most accurate.
inline layer_pick pick_within(const study_layer& layer, const std::vector<std::size_t>& ladder, const quantization_study_options& options)
{
    std::size_t best = kept_as_stored, nearest = ladder.front();
    for (const std::size_t s : ladder) {
        const scheme_figures& figures = layer.figures[s];
        if (figures.error.sums.squared_error < layer.figures[nearest].error.sums.squared_error)
            nearest = s;
        if (!within(figures.error, options.error_metric, *options.max_error))
            continue;
        const auto rank = [&](std::size_t k) { return std::pair(layer.figures[k].storage.bytes(), layer.figures[k].error.sums.squared_error); };
        if (best == kept_as_stored || rank(s) < rank(best))
            best = s;
    }
    const std::size_t told = best == kept_as_stored ? nearest : best;
    const std::string found = figure_text(layer.figures[told].error, options.error_metric);
    return {.scheme = best,
            .reason = best == kept_as_stored ? fmt::format("at best {}, above {}", found, *options.max_error)
                                             : fmt::format("{} within {}", found, *options.max_error)};
}

// A group size for each layer, the sum of their squared errors as small as the bytes of the middle size everywhere allow: always the
// step that saves most squared error per byte.
inline std::vector<std::size_t> share_out_groups(const quantization_study_result& study, const std::vector<std::size_t>& ladder,
                                                 bool skip_first_last)
{
    const std::size_t middle = ladder[(ladder.size() - 1) / 2];
    std::vector<std::size_t> chosen(study.layers.size(), kept_as_stored), layers;
    std::uint64_t left = 0;
    const auto bytes = [&](std::size_t i, std::size_t s) { return study.layers[i].figures[s].storage.bytes(); };
    const auto loss = [&](std::size_t i, std::size_t s) { return study.layers[i].figures[s].error.sums.squared_error; };
    for (std::size_t i = 0; i < study.layers.size(); ++i) {
        if (!kept_by(study.layers[i], skip_first_last).empty() || counted_elsewhere(study.layers[i]))
            continue;
        layers.push_back(i);
        chosen[i] = *std::min_element(ladder.begin(), ladder.end(), [&](std::size_t a, std::size_t b) {
            return std::pair(bytes(i, a), loss(i, a)) < std::pair(bytes(i, b), loss(i, b));
        });
        left += bytes(i, middle) - bytes(i, chosen[i]);
    }
    struct step
    {
        double rate = 0;
        std::size_t layer = 0, from = 0, to = 0;
        bool operator<(const step& other) const { return std::tie(rate, other.layer) < std::tie(other.rate, layer); }
    };
    std::priority_queue<step> steps;
    const auto offer = [&](std::size_t i) {
        for (const std::size_t s : ladder)
            if (bytes(i, s) > bytes(i, chosen[i]) && loss(i, s) < loss(i, chosen[i]))
                steps.push({(loss(i, chosen[i]) - loss(i, s)) / static_cast<double>(bytes(i, s) - bytes(i, chosen[i])), i, chosen[i], s});
    };
    std::for_each(layers.begin(), layers.end(), offer);
    while (!steps.empty()) {
        const step next = steps.top();
        steps.pop();
        const std::uint64_t cost = bytes(next.layer, next.to) - bytes(next.layer, next.from);
        if (chosen[next.layer] != next.from || cost > left)
            continue;
        left -= cost;
        chosen[next.layer] = next.to;
        offer(next.layer);
    }
    double greedy = 0, uniform = 0;
    for (const std::size_t i : layers) {
        greedy += loss(i, chosen[i]);
        uniform += loss(i, middle);
    }
    for (const std::size_t i : layers)
        chosen[i] = greedy <= uniform ? chosen[i] : middle;
    return chosen;
}

}  // namespace weightscope::detail
