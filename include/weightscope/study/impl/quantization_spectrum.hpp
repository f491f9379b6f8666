#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/expected_seconds.hpp>
#include <weightscope/analyzers/spectrum_effect.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/work_list.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/uniform.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/quantization_layers.hpp>
#include <weightscope/study/quantization_spectrum.hpp>
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

inline void measure_layer_spectra(const named_tensor& tensor, study_layer& layer, const std::vector<scheme>& schemes,
                                  const spectrum_effect_options& options)
{
    with_layer_weights(tensor, layer, [&](const weight_source& weights, const std::vector<std::size_t>& shape) {
        const std::size_t rows = shape[0];
        const spectrum_before before(matrix_of(weights, rows), options);
        for (std::size_t s = 0; s < schemes.size(); ++s) {
            quantized_tensor q{.scheme = schemes[s], .shape = shape};
            quantize_into(weights, schemes[s], q);
            if (schemes[s].scale == scale_type::f64) {
                xt::xarray<double> decoded;
                layer.figures[s].spectrum = before.effect_of(decoded_matrix(q, rows, decoded));
            } else {
                xt::xarray<float> decoded;
                layer.figures[s].spectrum = before.effect_of(decoded_matrix(q, rows, decoded));
            }
        }
    });
}

}  // namespace detail

WEIGHTSCOPE_INLINE quantization_study_result measure_spectra(const model& m, quantization_study_result study, const spectrum_effect_options& options,
                                                             const progress_callback& progress)
{
    const std::vector<detail::located_layer> layers = detail::locate_layers(m, study.settings);
    detail::require_study_of("measure_spectra(model, study)", m, study, layers);
    detail::work_list work;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const study_layer& layer = study.layers[i];
        if (layer.figures.empty() || layers[i].alike != i || layer.shape.size() < 2)
            continue;
        const std::size_t rows = layer.shape[0], cols = rows > 0 ? layer.parameters / rows : 0;
        const double seconds = detail::expected_spectrum_seconds(rows, cols);
        work.add(i, layer.name, {2 * seconds * static_cast<double>(study.schemes.size() + 1) + 1e-4, std::min(rows, cols) >= 1200});
    }
    with_threads(study.settings.threads, [&] {
        work.run(progress, [&](std::size_t i) { detail::measure_layer_spectra(layers[i].tensor, study.layers[i], study.schemes, options); });
    });
    for (std::size_t i = 0; i < layers.size(); ++i)
        for (std::size_t s = 0; layers[i].alike != i && s < study.layers[i].figures.size(); ++s)
            study.layers[i].figures[s].spectrum = study.layers[layers[i].alike].figures[s].spectrum;
    return study;
}

}  // namespace weightscope
