#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/onnx_dequantized.hpp>
#include <weightscope/io/onnx_node.hpp>
#include <weightscope/io/onnx_operands.hpp>
#include <weightscope/io/onnx_tensor.hpp>
#include <weightscope/io/onnx_type.hpp>

namespace weightscope::detail {

// The weight that codes stand for, or why it cannot be told.
struct onnx_weight_or_reason
{
    std::optional<named_tensor> weight = {};
    std::string reason = {};
};

inline bool is_onnx_float(const onnx_type& type)
{
    return (type.values == dtype::float32 && type.bits == 32) || type.values == dtype::float16 || type.values == dtype::bfloat16 || type.values == dtype::float64
        || type.values == dtype::float8_e8m0;
}

inline bool holds_onnx_codes(const onnx_type& type)
{
    return type.bits != 0 && type.bits <= 32 && is_numeric(type.values) && (type.bits <= 8 || (type.name.find("INT") != std::string_view::npos));
}

// One scale for all codes, one per index of an axis, or one per block.
inline std::optional<onnx_granularity> onnx_granularity_of(const onnx_operands& operands, const std::vector<std::size_t>& shape,
                                                           const std::vector<std::size_t>& scale_shape, std::size_t scale_count)
{
    const auto rank = static_cast<std::int64_t>(shape.size());
    const std::int64_t axis = operands.axis < 0 ? operands.axis + rank : operands.axis;
    if (operands.block > 0 && axis >= 0 && axis < rank && scale_shape.size() == shape.size()) {
        const auto d = static_cast<std::size_t>(axis);
        const auto block = static_cast<std::size_t>(operands.block);
        std::vector<std::size_t> expected = shape;
        expected[d] = shape[d] / block + (shape[d] % block != 0);
        return scale_shape == expected ? std::optional(onnx_granularity::blocked(shape, d, block)) : std::nullopt;
    }
    if (scale_count == 1)
        return onnx_granularity{};
    if (axis >= 0 && axis < rank && scale_count == shape[static_cast<std::size_t>(axis)])
        return onnx_granularity::per_axis(shape, static_cast<std::size_t>(axis));
    return std::nullopt;
}

// What a tensor of codes, scales and zero points (which may be null) is, before its codes are told.
inline named_tensor onnx_weight_of(const onnx_tensor& codes, const onnx_tensor& scales, const onnx_tensor* zero_points, std::string name)
{
    named_tensor weight = codes.tensor;
    weight.name = std::move(name);
    weight.bytes = codes.storage.plain;
    weight.encoded_bytes = codes.tensor.stored_bytes() + scales.tensor.stored_bytes() + (zero_points == nullptr ? 0 : zero_points->tensor.stored_bytes());
    return weight;
}

inline std::vector<std::shared_ptr<const mapped_file>> onnx_files_of(const onnx_tensor& codes, const onnx_tensor& scales, const onnx_tensor* zero_points)
{
    std::vector<std::shared_ptr<const mapped_file>> files = {codes.tensor.file, scales.tensor.file};
    if (zero_points != nullptr)
        files.push_back(zero_points->tensor.file);
    return files;
}

// The weight of a node whose operands are found, called `name`.
inline onnx_weight_or_reason dequantize_onnx(const onnx_operands& operands, const onnx_tensor& codes, const onnx_tensor& scales,
                                             const onnx_tensor* zero_points, std::string name)
{
    const onnx_type &code_type = *codes.storage.type, &scale_type = *scales.storage.type;
    if (!holds_onnx_codes(code_type) || !is_onnx_float(scale_type))
        return {.reason = fmt::format("codes of {} with scales of {} are not known", code_type.name, scale_type.name)};
    const std::vector<std::size_t>&shape = codes.tensor.shape, &scale_shape = scales.tensor.shape;
    const auto granularity = onnx_granularity_of(operands, shape, scale_shape, scales.tensor.size());
    if (!granularity)
        return {.reason = fmt::format("scales {} do not fit codes {} on axis {}", scale_shape, shape, operands.axis)};
    if (zero_points != nullptr
        && (zero_points->tensor.size() != scales.tensor.size() || zero_points->storage.type->bits == 0 || !is_numeric(zero_points->storage.type->values)))
        return {.reason = fmt::format("zero points {} of {} do not fit scales {}", zero_points->tensor.shape, zero_points->storage.type->name, scale_shape)};
    dtype values = scale_type.values == dtype::float8_e8m0 ? dtype::float32 : scale_type.values;
    if (operands.output_type > 0 && operands.output_type < static_cast<std::int64_t>(onnx_types.size())
        && is_onnx_float(onnx_types[static_cast<std::size_t>(operands.output_type)]))
        values = onnx_types[static_cast<std::size_t>(operands.output_type)].values;

    onnx_quantized q{.codes = codes.storage, .code_type = code_type, .granularity = *granularity, .values = values};
    q.scales.emplace(scales.storage, scales.tensor.size());
    if (zero_points != nullptr)
        q.zero_points.emplace(zero_points->storage, zero_points->tensor.size());
    named_tensor weight = onnx_weight_of(codes, scales, zero_points, std::move(name));
    weight.dtype = values;
    weight.encoding = fmt::format("{} {}{}", code_type.name, operands.word, granularity->words);
    weight.decoder = std::make_shared<const onnx_dequantized>(std::move(q), onnx_files_of(codes, scales, zero_points));
    return {.weight = std::move(weight)};
}

// The weight [N, K] of a MatMulNBits node: rows of blocks of codes, each row and block beginning at a byte, lowest bits first; a scale per
// block, and a zero point per block, packed like the codes or stored as the scales are, or the middle of the range for all.
inline onnx_weight_or_reason dequantize_onnx_matmul_nbits(const onnx_node& node, const onnx_tensor& codes, const onnx_tensor& scales,
                                                          const onnx_tensor* zero_points, std::string name)
{
    constexpr std::int64_t most = std::int64_t{1} << 40;
    const std::int64_t k = node.number("K", 0), n = node.number("N", 0), bits = node.number("bits", 4), block = node.number("block_size", 0);
    if (k <= 0 || n <= 0 || k > most || n > most || block < 16 || block > (1 << 20) || (bits != 2 && bits != 4 && bits != 8))
        return {.reason = fmt::format("K {}, N {}, bits {} and block_size {} are not known", k, n, bits, block)};
    const auto rows = static_cast<std::size_t>(n), columns = static_cast<std::size_t>(k), size = static_cast<std::size_t>(block),
               width = static_cast<std::size_t>(bits);
    const std::size_t blocks = (columns + size - 1) / size, blob = (size * width + 7) / 8;
    if (codes.storage.type->name != "UINT8" || !is_onnx_float(*scales.storage.type) || codes.tensor.size() / rows != blocks * blob
        || codes.tensor.size() % rows != 0 || scales.tensor.size() != rows * blocks || size * width % 8 != 0)
        return {.reason = fmt::format("codes {} and scales {} do not fit K {}, N {}, bits {} and block_size {}", codes.tensor.shape,
                                      scales.tensor.shape, k, n, bits, block)};
    onnx_quantized q{.codes = codes.storage,
                     .code_type = width == 8 ? onnx_types[2] : width == 4 ? onnx_types[21] : onnx_types[25],
                     .row = columns,
                     .stored_row = blocks * size,
                     .granularity = onnx_granularity::blocked({rows, columns}, 1, size),
                     .zero_point = static_cast<double>(1U << (width - 1)),
                     .values = scales.storage.type->values};
    q.scales.emplace(scales.storage, scales.tensor.size());
    if (zero_points != nullptr) {
        const std::size_t zero_bytes = (blocks * width + 7) / 8;
        const bool packed = zero_points->storage.type->name == "UINT8" && zero_points->tensor.size() == rows * zero_bytes;
        if (!packed && !(is_onnx_float(*zero_points->storage.type) && zero_points->tensor.size() == rows * blocks))
            return {.reason = fmt::format("zero points {} of {} do not fit scales {}", zero_points->tensor.shape, zero_points->storage.type->name,
                                          scales.tensor.shape)};
        onnx_storage storage = zero_points->storage;
        if (packed) {
            storage.type = width == 8 ? &onnx_types[2] : width == 4 ? &onnx_types[21] : &onnx_types[25];
            q.zero_point_row = blocks;
            q.stored_zero_point_row = zero_bytes * 8 / width;
        }
        q.zero_points.emplace(storage, packed ? zero_points->tensor.size() * 8 / width : zero_points->tensor.size());
    }
    named_tensor weight = onnx_weight_of(codes, scales, zero_points, std::move(name));
    weight.shape = {rows, columns};
    weight.dtype = q.values;
    weight.encoding = fmt::format("{}-bit MatMulNBits, blocks of {}", bits, block);
    weight.decoder = std::make_shared<const onnx_dequantized>(std::move(q), onnx_files_of(codes, scales, zero_points));
    return {.weight = std::move(weight)};
}

}  // namespace weightscope::detail
