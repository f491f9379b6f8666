#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/expected_seconds.hpp>
#include <weightscope/analyzers/spectrum_effect.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/schedule.hpp>
#include <weightscope/core/transpose.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/uniform.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/quantization_layers.hpp>
#include <weightscope/study/quantization_study.hpp>

namespace weightscope {

namespace detail {

// `storage` holds the decoded weights.
template <class Real>
matrix_source decoded_matrix(const quantized_tensor& q, std::size_t rows, xt::xarray<Real>& storage)
{
    storage = dequantize<Real>(q);
    return matrix_of(source_of(std::span<const Real>(storage.data(), storage.size())), rows);
}

inline std::vector<spectrum_effect_result> spectra_of_layer(const weight_source& elements, const study_layer& layer,
                                                            const std::vector<scheme>& schemes, const spectrum_effect_options& options)
{
    std::vector<std::uint64_t> storage;
    matrix_source matrix = matrix_of(elements, layer.shape[0]);
    if (layer.transposed)
        matrix = transposed(matrix, storage);
    const spectrum_before before(matrix, options);
    std::vector<spectrum_effect_result> effects;
    for (const scheme& s : schemes) {
        quantized_tensor q{.scheme = s, .shape = quantized_shape(layer)};
        quantize_into(matrix.elements, s, q);
        if (s.scale == scale_type::f64) {
            xt::xarray<double> decoded;
            effects.push_back(before.effect_of(decoded_matrix(q, matrix.rows, decoded)));
        } else {
            xt::xarray<float> decoded;
            effects.push_back(before.effect_of(decoded_matrix(q, matrix.rows, decoded)));
        }
    }
    return effects;
}

}  // namespace detail

/// Adds to a study what each scheme does to the spectrum of each matrix: the table of spectrum by quantizer.
///
///     const auto study = measure_spectra(m, study_quantization(m, options));
///     study.layers[i].figures[s].spectrum->relative_spectral_error ...
///
/// @param m         that the study is of
/// @param study     its layers' figures get a spectrum; vectors, layers that are kept and those that could not be measured have none
/// @param options   see spectrum_effect_options
/// @param progress  called when a layer begins and when it is done; may cancel
/// @throws std::invalid_argument  the study is of another model
/// @throws cancelled              the callback returned false
/// @note cost of analyze_spectrum_effect for each layer and scheme, what concerns the layer alone once; large matrices one by one
[[nodiscard]] inline quantization_study_result measure_spectra(const model& m, quantization_study_result study,
                                                               const spectrum_effect_options& options = {},
                                                               const progress_callback& progress = {})
{
    const std::vector<detail::located_layer> layers = detail::locate_layers(m, study.settings);
    detail::require_study_of("measure_spectra(model, study)", m, study, layers);
    std::vector<detail::scheduled_work> work;
    std::vector<std::size_t> items;
    double cost = 0;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const study_layer& layer = study.layers[i];
        if (layer.figures.empty() || layers[i].alike != i || layer.shape.size() < 2)
            continue;
        const std::size_t rows = layer.shape[0], cols = rows > 0 ? layer.parameters / rows : 0;
        const double seconds = detail::expected_spectrum_seconds(rows, cols);
        items.push_back(i);
        work.push_back({2 * seconds * static_cast<double>(study.schemes.size() + 1) + 1e-4, std::min(rows, cols) >= 1200});
        cost += work.back().cost;
    }
    progress_reporter reporter(progress, items.size(), cost);
    with_threads(study.settings.threads, [&] {
        detail::run_by_cost(work, [&](std::size_t k) {
            study_layer& layer = study.layers[items[k]];
            reporter.begun(layer.name);
            const auto effects = visit(layers[items[k]].tensor, [&](const auto& weights) {
                return detail::with_source(weights, [&](const detail::weight_source& elements) {
                    return detail::spectra_of_layer(elements, layer, study.schemes, options);
                });
            });
            for (std::size_t s = 0; s < effects.size(); ++s)
                layer.figures[s].spectrum = effects[s];
            reporter.finished(layer.name, work[k].cost);
        });
    });
    for (std::size_t i = 0; i < layers.size(); ++i)
        for (std::size_t s = 0; layers[i].alike != i && s < study.layers[i].figures.size(); ++s)
            study.layers[i].figures[s].spectrum = study.layers[layers[i].alike].figures[s].spectrum;
    return study;
}

}  // namespace weightscope
