#pragma once

#include <chrono>
#include <cmath>
#include <cstddef>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/analyzers/compare_schemes.hpp>
#include <weightscope/analyzers/scheme_difference_words.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/work_list.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/report/current_environment.hpp>
#include <weightscope/report/quantization_diff_result.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/study/described_model.hpp>
#include <weightscope/study/quantization_diff.hpp>
#include <weightscope/study/quantization_layers.hpp>
#include <weightscope/study/quantization_study.hpp>

namespace weightscope {

namespace detail {

inline void diff_layer(const named_tensor& tensor, quantization_diff_layer& result, const std::vector<scheme>& schemes,
                       const compare_schemes_options& options)
{
    try {
        with_layer_weights(tensor, result.layer, [&](const weight_source& weights, const std::vector<std::size_t>& shape) {
            const scheme_values first(weights, shape, schemes.front());
            for (std::size_t s = 1; s < schemes.size(); ++s)
                result.differences.push_back(compare_scheme_values(weights, first, scheme_values(weights, shape, schemes[s]), options));
        });
    } catch (const std::exception& error) {
        result.layer.error = error.what();
    }
}

inline void sum_up_diff(quantization_diff_result& result)
{
    result.wholes.resize(result.schemes.size());
    for (std::size_t s = 1; s < result.schemes.size(); ++s) {
        double signal = 0, first = 0, second = 0;
        std::size_t count = 0, differing = 0;
        quantization_diff_whole& whole = result.wholes[s];
        for (const quantization_diff_layer& layer : result.layers) {
            if (layer.differences.empty() || counted_elsewhere(layer.layer))
                continue;
            const scheme_difference& d = layer.differences[s - 1];
            signal += d.signal, first += d.first_squared_error, second += d.second_squared_error;
            count += d.weight_count, differing += d.differing_count;
            whole.differing_layers += d.differing_count > 0;
        }
        const auto none = metric::missing("no layer is compared");
        result.wholes[0].sqnr_db = count > 0 ? sqnr_db(signal, first) : none;
        whole.sqnr_db = count > 0 ? sqnr_db(signal, second) : none;
        whole.change_db = !result.wholes[0].sqnr_db.exists() ? result.wholes[0].sqnr_db
                          : whole.sqnr_db.exists()           ? metric(whole.sqnr_db.value - result.wholes[0].sqnr_db.value)
                                                             : whole.sqnr_db;
        whole.differing_fraction = count > 0 ? metric(static_cast<double>(differing) / static_cast<double>(count)) : none;
        whole.reason = explain_scheme_difference(result.schemes[0], result.schemes[s]);
    }
    result.wholes[0].change_db = metric::missing("the first scheme");
    result.wholes[0].differing_fraction = metric::missing("the first scheme");
}

}  // namespace detail

WEIGHTSCOPE_INLINE quantization_diff_result study_quantization_diff(const model& m, const std::vector<scheme>& schemes,
                                                                    const quantization_study_options& options, const compare_schemes_options& listing,
                                                                    const progress_callback& progress)
{
    require(schemes.size() >= 2, "study_quantization_diff(model, schemes): {} schemes are given, expected 2 or more", schemes.size());
    const auto start = std::chrono::steady_clock::now();
    std::vector<detail::located_layer> layers = detail::locate_layers(m, options);
    detail::require_fit(schemes, layers);
    quantization_diff_result result{.settings = options, .schemes = schemes};
    result.model = detail::describe(m);
    const detail::work_list work = detail::measured_layers(layers);
    for (detail::located_layer& one : layers)
        result.layers.push_back({.layer = std::move(one.layer)});
    with_threads(options.threads, [&] {
        result.environment = current_environment();
        work.run(progress, [&](std::size_t i) { detail::diff_layer(layers[i].tensor, result.layers[i], schemes, listing); });
    });
    for (std::size_t i = 0; i < layers.size(); ++i)
        if (layers[i].alike != i && result.layers[i].layer.kept.empty()) {
            result.layers[i].differences = result.layers[layers[i].alike].differences;
            result.layers[i].layer.error = result.layers[layers[i].alike].layer.error;
        }
    detail::sum_up_diff(result);
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

}  // namespace weightscope
