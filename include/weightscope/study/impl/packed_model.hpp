#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/quantizers/packed_codes.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/quantizers/uniform.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/dequantized_model.hpp>
#include <weightscope/study/open_packed.hpp>
#include <weightscope/study/packed_model.hpp>

namespace weightscope {

namespace detail {

// Each row of codes begins with a byte.
inline std::vector<std::byte> packed_rows(const quantized_tensor& q)
{
    const matrix_shape matrix = matrix_shape_of(q.shape);
    std::vector<std::byte> bytes;
    std::visit(
        [&]<class Codes>(const Codes& codes) {
            using code = typename Codes::value_type;
            for (std::size_t row = 0; row < matrix.rows && matrix.cols > 0; ++row) {
                const auto packed = pack_codes(std::span<const code>(codes.data() + row * matrix.cols, matrix.cols), q.scheme.bits);
                const auto part = std::as_bytes(std::span(packed));
                bytes.insert(bytes.end(), part.begin(), part.end());
            }
        },
        q.codes);
    return bytes;
}

// Scales, or minima, which are as large: numbers that their type holds exactly.
inline std::vector<std::byte> packed_number_bytes(const std::vector<double>& numbers, dtype type)
{
    return with_scalar(type, [&]<class T>(std::type_identity<T>) {
        std::vector<std::byte> bytes(numbers.size() * sizeof(T));
        for (std::size_t g = 0; g < numbers.size(); ++g) {
            const auto number = static_cast<T>(numbers[g]);
            std::memcpy(bytes.data() + g * sizeof(T), &number, sizeof(T));
        }
        return bytes;
    });
}

inline std::vector<std::byte> zero_point_bytes_of(const quantized_tensor& q)
{
    const auto packed = pack_codes(std::span<const std::int16_t>(q.zero_points), q.scheme.bits);
    const auto bytes = std::as_bytes(std::span(packed));
    return {bytes.begin(), bytes.end()};
}

// The tensors of one layer. Codes are made once for each of them: none is kept in memory until its turn.
inline void append_packed(std::vector<tensor_to_write>& tensors, const named_tensor& tensor, const study_layer& layer, const scheme& s)
{
    const std::vector<std::size_t> shape = quantized_shape(layer);
    const storage_size size = storage_bytes(shape, s);
    const matrix_shape matrix = matrix_shape_of(shape);
    const auto quantized = [&tensor, &layer, s] { return quantize_layer(tensor, layer, s); };
    tensors.push_back({.name = layer.name + ".codes",
                       .dtype = dtype::uint8,
                       .shape = {matrix.rows, size.code_bytes / std::max<std::size_t>(matrix.rows, 1)},
                       .produce = [quantized] { return packed_rows(quantized()); }});
    const dtype scales = dtype_of_scales(s.scale);
    const bool global = s.rules.global != global_scale::none && size.weights > 0;
    tensors.push_back({.name = layer.name + ".scales",
                       .dtype = scales,
                       .shape = {(size.scale_bytes - (global ? 4 : 0)) / scale_bytes(s.scale)},
                       .produce = [quantized, scales] { return packed_number_bytes(quantized().scales, scales); }});
    if (global)
        tensors.push_back({.name = layer.name + ".global_scale",
                           .dtype = dtype::float32,
                           .shape = {1},
                           .produce = [quantized] { return packed_number_bytes({quantized().global_scale}, dtype::float32); }});
    if (s.rules.minimum)
        tensors.push_back({.name = layer.name + ".minima",
                           .dtype = scales,
                           .shape = {size.zero_point_bytes / scale_bytes(s.scale)},
                           .produce = [quantized, scales] { return packed_number_bytes(quantized().minima, scales); }});
    else if (!s.symmetric)
        tensors.push_back({.name = layer.name + ".zero_points",
                           .dtype = dtype::uint8,
                           .shape = {size.zero_point_bytes},
                           .produce = [quantized] { return zero_point_bytes_of(quantized()); }});
}

struct packed_file
{
    std::vector<tensor_to_write> tensors = {};
    model_metadata metadata = {};
};

// `layers` and `study` must outlive the result.
inline packed_file plan_packed(const model& m, const std::vector<located_layer>& layers, const quantization_study_result& study,
                               std::size_t variant)
{
    packed_file result{.metadata = distinct_metadata(m)};
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const named_tensor& tensor = layers[i].tensor;
        const study_layer& layer = study.layers[i];
        const std::size_t s = study.variants[variant].picks[i].scheme;
        if (s == kept_as_stored) {
            result.tensors.push_back({.name = layer.name, .dtype = tensor.dtype, .shape = tensor.shape,
                                      .produce = [&tensor] { return value_bytes_of(tensor); }});
            continue;
        }
        append_packed(result.tensors, tensor, layer, study.schemes[s]);
        const nlohmann::ordered_json entry = {{"scheme", to_string(study.schemes[s])},
                                              {"shape", quantized_shape(layer)},
                                              {"dtype", layer.dtype},
                                              {"transposed", layer.transposed}};
        result.metadata.emplace_back(std::string(packed_key) + layer.name, entry.dump());
    }
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::uint64_t packed_bytes(const model& m, const quantization_study_result& study, std::size_t variant)
{
    const auto layers = detail::layers_to_write("packed_bytes(model, study, variant)", {}, m, study, variant);
    const detail::packed_file file = detail::plan_packed(m, layers, study, variant);
    return safetensors_bytes(file.tensors, file.metadata);
}

WEIGHTSCOPE_INLINE void write_packed(const std::filesystem::path& path, const model& m, const quantization_study_result& study, std::size_t variant)
{
    const auto layers = detail::layers_to_write("write_packed(path, model, study, variant)", path, m, study, variant);
    const detail::packed_file file = detail::plan_packed(m, layers, study, variant);
    write_safetensors(path, file.tensors, file.metadata);
}

}  // namespace weightscope
