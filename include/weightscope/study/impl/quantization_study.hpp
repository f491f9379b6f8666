#pragma once

#include <chrono>
#include <cmath>
#include <cstddef>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/work_list.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/simulate.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/report/current_environment.hpp>
#include <weightscope/report/quantization_study_advice.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/quantization_layers.hpp>
#include <weightscope/study/quantization_study.hpp>
#include <weightscope/study/quantization_variants.hpp>

namespace weightscope {

namespace detail {

inline void measure_layer(const named_tensor& tensor, study_layer& layer, const std::vector<scheme>& schemes)
{
    const auto start = std::chrono::steady_clock::now();
    try {
        with_layer_weights(tensor, layer, [&](const weight_source& weights, const std::vector<std::size_t>& shape) {
            const std::vector<quantization_error> errors = simulate(weights, shape, schemes, {});
            for (std::size_t s = 0; s < schemes.size(); ++s)
                layer.figures.push_back({.storage = storage_bytes(shape, schemes[s]), .error = errors[s]});
        });
    } catch (const std::exception& error) {
        layer.error = error.what();
    }
    layer.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline void require_study(const quantization_study_options& options)
{
    constexpr const char* caller = "study_quantization(model, options)";
    require(!options.variants.empty() || !options.search_groups.empty() || options.max_error,
            "{}: options.variants, search_groups and max_error are empty, expected one thing to study", caller);
    require(!options.max_error || (*options.max_error >= 0 && std::isfinite(*options.max_error)),
            "{}: options.max_error is {}, expected 0 or more and finite", caller, options.max_error.value_or(0));
    for (const std::size_t size : options.search_groups)
        require(size > 0, "{}: options.search_groups has 0, expected sizes of 1 or more", caller);
    for (const study_variant& variant : options.variants)
        (void)name_filter({.include = variant.sensitive_layers});
}

}  // namespace detail

WEIGHTSCOPE_INLINE quantization_study_result study_quantization(const model& m, const quantization_study_options& options,
                                                                const progress_callback& progress)
{
    detail::require_study(options);
    const auto start = std::chrono::steady_clock::now();
    detail::begun_study begun = detail::begin_study(m, options);
    quantization_study_result study = std::move(begun.study);
    const std::vector<detail::located_layer>& layers = begun.layers;
    const detail::study_ladders& ladders = begun.ladders;
    const detail::work_list work = detail::measured_layers(layers);
    with_threads(options.threads, [&] {
        study.environment = current_environment();
        work.run(progress, [&](std::size_t i) { detail::measure_layer(layers[i].tensor, study.layers[i], study.schemes); });
    });
    detail::follow_first(study, layers);

    for (const study_variant& variant : options.variants)
        study.variants.push_back(detail::apply_variant(study, variant));
    if (!ladders.groups.empty())
        study.variants.push_back(detail::search_variant(study, layers, ladders.groups));
    if (!ladders.progressive.empty())
        study.variants.push_back(detail::make_variant(
            study, fmt::format("progressive int8 to int{}", options.search_bits), options.skip_first_last,
            [&](const study_layer& layer, std::size_t) { return detail::pick_within(layer, ladders.progressive, options); }));
    detail::mark_frontier(study.variants);
    detail::recommend(study);
    detail::judge_knobs(study);
    study.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return study;
}

}  // namespace weightscope
