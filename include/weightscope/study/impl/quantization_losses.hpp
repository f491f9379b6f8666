#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/quantization_study_advice.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/scorers/rank_correlation.hpp>
#include <weightscope/study/dequantized_model.hpp>
#include <weightscope/study/quantization_layers.hpp>
#include <weightscope/study/quantization_losses.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::size_t weight_named(const std::vector<weight_info>& weights, const std::string& name)
{
    const auto found = std::find_if(weights.begin(), weights.end(), [&](const weight_info& info) { return info.name == name; });
    return static_cast<std::size_t>(found - weights.begin());
}

WEIGHTSCOPE_INLINE void write_variant(weight_patch& patch, const std::vector<weight_info>& weights, const model& m,
                                      const std::vector<located_layer>& layers, const quantization_study_result& study, const variant_result& variant)
{
    for (std::size_t i = 0, end = 0; i < layers.size(); i = end) {
        bool changed = false;
        for (end = i; end < layers.size() && layers[end].whole == layers[i].whole; ++end)
            changed = changed || variant.picks[end].scheme != kept_as_stored;
        const named_tensor& tensor = m.tensors[layers[i].whole];
        const std::size_t number = weight_named(weights, tensor.name);
        if (!changed || number == weights.size())
            continue;
        require(weights[number].dtype == tensor.dtype && weights[number].size() == tensor.size(),
                "measure_losses(model, study, meter): the evaluator's tensor '{}' is {} numbers of {}, expected {} of {} as in the model",
                printable(tensor.name), weights[number].size(), to_string(weights[number].dtype), tensor.size(), to_string(tensor.dtype));
        const std::size_t element = bits_of(tensor.dtype) / 8;
        std::size_t offset = 0;
        for (std::size_t k = i; k < end; ++k) {
            const std::size_t s = variant.picks[k].scheme;
            if (s != kept_as_stored)
                patch.write(number, offset, requantized_bytes(layers[k].tensor, study.layers[k], study.schemes[s]));
            offset += layers[k].tensor.size() * element;
        }
    }
}

// Layers that some variant quantizes and the evaluator does not have.
inline std::size_t count_unknown_layers(const std::vector<weight_info>& weights, const model& m, const std::vector<located_layer>& layers,
                                        const quantization_study_result& study)
{
    std::size_t unknown = 0;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const named_tensor& tensor = m.tensors[layers[i].whole];
        const bool quantized = !study.layers[i].figures.empty() && tensor.tied_to.empty();
        unknown += quantized && weight_named(weights, tensor.name) == weights.size();
    }
    return unknown;
}

// Whether more dB meant less loss, over the variants.
inline void correlate_losses(const quantization_study_result& study, study_evaluation& evaluation)
{
    std::vector<double> sqnr, change;
    for (const variant_result& variant : study.variants)
        if (variant.error.sqnr_db.exists() && variant.quality && variant.quality->loss_change.exists()) {
            sqnr.push_back(variant.error.sqnr_db.value);
            change.push_back(variant.quality->loss_change.value);
        }
    evaluation.correlated_count = sqnr.size();
    evaluation.sqnr_loss_correlation = sqnr.size() > 2 ? spearman_correlation(sqnr, change) : metric::missing("fewer than three variants");
}

WEIGHTSCOPE_INLINE void measure_variants(const char* caller, const model& m, quantization_study_result& study,
                                         const std::vector<std::size_t>& variants, quality_meter& meter, const progress_callback& progress)
{
    const auto start = std::chrono::steady_clock::now();
    const std::vector<located_layer> layers = locate_layers(m, study.settings);
    require_study_of(caller, m, study, layers);
    study_evaluation evaluation{.batches = meter.batch_count(), .plan = meter.plan(variants.size())};
    const auto calls = evaluation.plan.calls();
    progress_reporter reporter(progress, calls, static_cast<double>(calls));
    with_threads(study.settings.threads, [&] {
        evaluation.before = meter.original(&reporter);
        for (const std::size_t v : variants)
            study.variants[v].quality =
                meter.changed([&](weight_patch& patch) { write_variant(patch, meter.weights(), m, layers, study, study.variants[v]); }, &reporter);
    });
    if (const std::size_t unknown = count_unknown_layers(meter.weights(), m, layers, study); unknown > 0)
        evaluation.notes.push_back(fmt::format("the evaluator does not have {} of the layers: what quantizing them does is not in the losses", unknown));
    correlate_losses(study, evaluation);
    evaluation.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    study.evaluation = std::move(evaluation);
}

}  // namespace detail

WEIGHTSCOPE_INLINE quantization_study_result measure_losses(const model& m, quantization_study_result study, quality_meter& meter,
                                                            const progress_callback& progress)
{
    std::vector<std::size_t> all(study.variants.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    detail::measure_variants("measure_losses(model, study, meter)", m, study, all, meter, progress);
    detail::recommend(study);
    return study;
}

}  // namespace weightscope
