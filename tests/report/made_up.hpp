#pragma once
// Layers made for a test: real analyses of small tensors whose illness is known.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/analyzers/basic_stats.hpp>
#include <weightscope/analyzers/bit_flips.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/analyzers/sparsity.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/scan_result.hpp>

namespace made_up {

using namespace weightscope;

using float_matrix = xt::xtensor<float, 2>;
using float_vector = xt::xtensor<float, 1>;

inline float_matrix gaussian(std::size_t rows, std::size_t cols, std::uint64_t seed = 1, double std = 0.02)
{
    random_stream random(seed);
    float_matrix result = xt::empty<float>({rows, cols});
    for (float& w : result)
        w = static_cast<float>(std * random.normal());
    return result;
}

// Everything that a scan measures.
template <tensor W>
layer_result layer_of(const std::string& name, const W& weights, const std::string& dtype = "F32")
{
    layer_result layer{.name = name,
                       .shape = {weights.shape().begin(), weights.shape().end()},
                       .dtype = dtype,
                       .parameters = weights.size()};
    layer.basic_stats = analyze_basic_stats(weights);
    layer.quantization = analyze_quantization_sensitivity(weights);
    layer.sparsity = analyze_sparsity(weights);
    if (const bit_flips_result flips = detect_bit_flips(weights); flips.suspect_count > 0)
        layer.bit_flips = flips;
    if (weights.dimension() >= 2)
        layer.spectral = analyze_spectral(weights, {.heavy_tail = heavy_tail_options{}, .marchenko_pastur = marchenko_pastur_options{}});
    return layer;
}

inline scan_result scan_of(std::vector<layer_result> layers)
{
    scan_result scan{.model = {.path = "model.safetensors", .format = "safetensors", .tensors = layers.size()}};
    for (const layer_result& layer : layers)
        scan.model.parameters += layer.parameters;
    scan.layers = std::move(layers);
    return scan;
}

// "critical dead_rows, warning outliers"
inline std::string told(const health_result& health)
{
    std::string text;
    for (const finding& f : health.findings)
        text += (text.empty() ? "" : ", ") + std::string(to_string(f.level)) + " " + f.rule_id;
    return text;
}

inline std::string told(const layer_result& layer)
{
    return told(judge(scan_of({layer})));
}

}  // namespace made_up
