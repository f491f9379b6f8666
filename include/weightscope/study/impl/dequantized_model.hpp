#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/uniform.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/dequantized_model.hpp>
#include <weightscope/study/quantization_layers.hpp>
#include <weightscope/study/quantization_study.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE quantized_tensor quantize_layer(const named_tensor& tensor, const study_layer& layer, const scheme& s)
{
    return with_layer_weights(tensor, layer, [&](const weight_source& weights, const std::vector<std::size_t>& shape) {
        quantized_tensor result{.scheme = s, .shape = shape};
        quantize_into(weights, s, result);
        return result;
    });
}

template <class Real>
std::vector<std::byte> decoded_bytes(const quantized_tensor& q, dtype type, bool turned)
{
    const xt::xarray<Real> decoded = dequantize<Real>(q);
    const std::size_t rows = turned ? q.shape[0] : 1, cols = decoded.size() / std::max<std::size_t>(rows, 1);
    return with_scalar(type, [&]<class T>(std::type_identity<T>) {
        std::vector<std::byte> bytes(decoded.size() * sizeof(T));
        for (std::size_t i = 0; i < decoded.size(); ++i) {
            const auto value = static_cast<T>(decoded.data()[i]);
            std::memcpy(bytes.data() + (turned ? i % cols * rows + i / cols : i) * sizeof(T), &value, sizeof(T));
        }
        return bytes;
    });
}

WEIGHTSCOPE_INLINE std::vector<std::byte> requantized_bytes(const named_tensor& tensor, const study_layer& layer, const scheme& s)
{
    const quantized_tensor q = quantize_layer(tensor, layer, s);
    return bits_of(tensor.dtype) == 64 || s.scale == scale_type::f64 ? decoded_bytes<double>(q, tensor.dtype, layer.transposed)
                                                                         : decoded_bytes<float>(q, tensor.dtype, layer.transposed);
}

WEIGHTSCOPE_INLINE model_metadata distinct_metadata(const model& m)
{
    model_metadata result;
    std::set<std::string_view> keys;
    for (const auto& [key, value] : m.metadata)
        if (keys.insert(key).second)
            result.emplace_back(key, value);
    return result;
}

WEIGHTSCOPE_INLINE std::vector<located_layer> layers_to_write(const char* caller, const std::filesystem::path& path, const model& m,
                                                              const quantization_study_result& study, std::size_t variant)
{
    require(variant < study.variants.size(), "{}: variant is {}, expected below {}", caller, variant, study.variants.size());
    for (const named_tensor& tensor : m.tensors) {
        std::error_code error;
        require(!tensor.file || !std::filesystem::equivalent(tensor.file->path(), path, error),
                "{}: {} is a file of the model itself, expected another one", caller, path.string());
    }
    std::vector<located_layer> layers = locate_layers(m, study.settings);
    require_study_of(caller, m, study, layers);
    for (std::size_t i = 0; i < layers.size(); ++i)
        require(study.layers[i].error.empty(), "{}: {} could not be measured: {}", caller, printable(study.layers[i].name),
                study.layers[i].error);
    return layers;
}

}  // namespace detail

WEIGHTSCOPE_INLINE void write_dequantized(const std::filesystem::path& path, const model& m, const quantization_study_result& study,
                                          std::size_t variant)
{
    const auto layers = detail::layers_to_write("write_dequantized(path, model, study, variant)", path, m, study, variant);
    std::vector<tensor_to_write> tensors;
    for (std::size_t i = 0; i < layers.size();) {
        std::size_t end = i;
        while (end < layers.size() && layers[end].whole == layers[i].whole)
            ++end;
        const named_tensor& whole = m.tensors[layers[i].whole];
        tensors.push_back({.name = whole.name, .dtype = whole.dtype, .shape = whole.shape, .produce = [&, i, end] {
                               std::vector<std::byte> bytes;
                               for (std::size_t k = i; k < end; ++k) {
                                   const std::size_t s = study.variants[variant].picks[k].scheme;
                                   const auto part = s == kept_as_stored
                                                         ? detail::value_bytes_of(layers[k].tensor)
                                                         : detail::requantized_bytes(layers[k].tensor, study.layers[k], study.schemes[s]);
                                   bytes.insert(bytes.end(), part.begin(), part.end());
                               }
                               return bytes;
                           }});
        i = end;
    }
    write_safetensors(path, tensors, detail::distinct_metadata(m));
}

}  // namespace weightscope
