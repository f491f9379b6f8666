#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/io/safetensors_header.hpp>
#include <weightscope/quantizers/packed_codes.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/quantizers/uniform.hpp>
#include <weightscope/study/open_packed.hpp>

namespace weightscope {

namespace detail {

// Numbers of the scales' type.
inline std::vector<double> packed_numbers(const named_tensor& tensor)
{
    return visit(tensor, [](const auto& values) {
        std::vector<double> result;
        for (std::size_t g = 0; g < values.size(); ++g)
            result.push_back(static_cast<double>(values(g)));
        return result;
    });
}

inline const named_tensor& packed_part(const packed_model& packed, const std::string& name, dtype type, std::size_t bytes)
{
    const auto& tensors = packed.file.tensors;
    const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto& tensor) { return tensor.name == name; });
    if (found == tensors.end() || found->dtype != type || found->bytes.size() != bytes)
        throw io_error(packed.file.path, std::nullopt, fmt::format("tensor '{}'", printable(name)),
                       fmt::format("expected {} bytes of {}", bytes, to_string(type)));
    return *found;
}

inline std::span<const std::uint8_t> unsigned_bytes(const std::vector<std::byte>& bytes)
{
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace detail

WEIGHTSCOPE_INLINE packed_model open_packed(const std::filesystem::path& path)
{
    packed_model result{.file = read_safetensors(path)};
    for (const auto& [key, value] : result.file.metadata) {
        if (!key.starts_with(detail::packed_key))
            continue;
        try {
            const auto entry = nlohmann::json::parse(value);
            packed_layer layer{.name = key.substr(detail::packed_key.size()),
                               .scheme = parse_scheme(entry.at("scheme").get<std::string>()),
                               .shape = entry.at("shape").get<std::vector<std::size_t>>(),
                               .dtype = parse_dtype(entry.at("dtype").get<std::string>()).value(),
                               .transposed = entry.at("transposed").get<bool>()};
            require_scheme(layer.scheme, "open_packed(path)", layer.shape.size());
            require(detail::bytes_of(dtype::float64, layer.shape).has_value(), "open_packed(path): the shape is too large");
            result.layers.push_back(std::move(layer));
        } catch (const std::exception& error) {
            throw io_error(path, std::nullopt, fmt::format("metadata '{}'", printable(key)),
                           fmt::format("no valid description of a packed layer: {}", error.what()));
        }
    }
    if (result.layers.empty())
        throw io_error(path, std::nullopt, "metadata", "no packed layer; expected a file that weightscope packed");
    return result;
}

WEIGHTSCOPE_INLINE quantized_tensor read_packed(const packed_model& packed, std::string_view name)
{
    const auto found = std::find_if(packed.layers.begin(), packed.layers.end(), [&](const auto& layer) { return layer.name == name; });
    require(found != packed.layers.end(), "read_packed(packed, name): no layer is named '{}'", printable(name));
    const packed_layer& layer = *found;
    const storage_size size = storage_bytes(layer.shape, layer.scheme);
    const detail::matrix_shape matrix = detail::matrix_shape_of(layer.shape);
    quantized_tensor result{.scheme = layer.scheme, .shape = layer.shape};

    const auto codes = detail::value_bytes_of(detail::packed_part(packed, layer.name + ".codes", dtype::uint8, size.code_bytes));
    const auto unpack_into = [&]<class Code>(xt::xarray<Code> values) {
        for (std::size_t row = 0; row < matrix.rows && matrix.cols > 0; ++row) {
            const std::size_t bytes = size.code_bytes / matrix.rows;
            const auto unpacked = unpack_codes(detail::unsigned_bytes(codes).subspan(row * bytes, bytes), layer.scheme.bits, matrix.cols);
            std::transform(unpacked.begin(), unpacked.end(), values.data() + row * matrix.cols, [](auto c) { return static_cast<Code>(c); });
        }
        result.codes = std::move(values);
    };
    if (layer.scheme.bits <= 8)
        unpack_into(xt::xarray<std::int8_t>::from_shape(layer.shape));
    else
        unpack_into(xt::xarray<std::int16_t>::from_shape(layer.shape));

    const dtype type = detail::dtype_of_scales(layer.scheme.scale);
    const bool global = layer.scheme.rules.global != global_scale::none && size.weights > 0;
    result.scales = detail::packed_numbers(detail::packed_part(packed, layer.name + ".scales", type, size.scale_bytes - (global ? 4 : 0)));
    if (global)
        result.global_scale = detail::packed_numbers(detail::packed_part(packed, layer.name + ".global_scale", dtype::float32, 4)).front();
    if (layer.scheme.rules.minimum) {
        result.minima = detail::packed_numbers(detail::packed_part(packed, layer.name + ".minima", type, size.zero_point_bytes));
    } else if (!layer.scheme.symmetric) {
        const auto zero_points = detail::value_bytes_of(detail::packed_part(packed, layer.name + ".zero_points", dtype::uint8, size.zero_point_bytes));
        result.zero_points = unpack_codes(detail::unsigned_bytes(zero_points), layer.scheme.bits, result.scales.size());
    }
    return result;
}

}  // namespace weightscope
