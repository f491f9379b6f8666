#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/onnx_external.hpp>
#include <weightscope/io/onnx_message.hpp>
#include <weightscope/io/onnx_node.hpp>
#include <weightscope/io/onnx_tensor.hpp>
#include <weightscope/io/onnx_type.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

// A SparseTensorProto has the name of its values.
inline std::string_view onnx_sparse_name(const mapped_file& file, std::string_view message)
{
    for (onnx_cursor cursor(file, message, "sparse_tensor"); cursor.next();)
        if (cursor.field().number == 1)
            return onnx_tensor_name(file, cursor.bytes());
    return {};
}

// Reads a SparseTensorProto, which is listed by its shape and not decoded.
inline onnx_tensor read_onnx_sparse(const std::shared_ptr<const mapped_file>& file, onnx_external_files& external, std::string_view message,
                                    std::string_view name)
{
    constexpr std::uint64_t most = std::uint64_t{1} << 56;
    constexpr std::size_t most_dimensions = 64;
    const onnx_cursor start(*file, message, "sparse_tensor");
    std::optional<std::string_view> values;
    std::vector<std::int64_t> dims;
    for (onnx_cursor cursor = start; cursor.next();) {
        if (cursor.field().number == 1)
            values = cursor.bytes();
        else if (cursor.field().number == 3)
            read_onnx_ints(cursor, most_dimensions, dims);
    }
    if (!values)
        start.refuse(message.data(), "has no values");
    onnx_tensor result = read_onnx_tensor(file, external, *values, name);
    result.tensor.encoding = fmt::format("sparse {}", result.storage.type->name);
    result.tensor.dtype = dtype::opaque;
    result.tensor.decoder = nullptr;
    result.tensor.bytes = bytes_in(message);
    result.tensor.file = file;
    result.tensor.offset = start.offset(message.data());
    result.tensor.shape.assign(dims.begin(), dims.end());
    result.storage = {};
    std::uint64_t elements = 1;
    for (const std::size_t extent : result.tensor.shape) {
        if (extent != 0 && elements > most / extent)
            start.refuse(message.data(), fmt::format("its dims {} have more than 2^56 elements", dims));
        elements *= extent;
    }
    return result;
}

// The tensor that a Constant node makes; nothing for one of texts.
inline std::optional<onnx_tensor> read_onnx_constant(const std::shared_ptr<const mapped_file>& file, onnx_external_files& external,
                                                     const onnx_node& node)
{
    const std::string_view name = node.output();
    for (const onnx_attribute& a : node.attributes) {
        const auto numbers = [&](unsigned field, std::size_t type, bool scalar) {
            return read_onnx_numbers(file, a.message, field, onnx_types[type], scalar, name);
        };
        constexpr std::size_t single = 1, int64 = 7;
        if (a.name == "value" && a.tensors.size() == 1)
            return read_onnx_tensor(file, external, a.tensors[0], name);
        if (a.name == "sparse_value" && a.sparse_tensors.size() == 1)
            return read_onnx_sparse(file, external, a.sparse_tensors[0], name);
        if (a.name == "value_float")
            return numbers(2, single, true);
        if (a.name == "value_floats")
            return numbers(7, single, false);
        if (a.name == "value_int")
            return numbers(3, int64, true);
        if (a.name == "value_ints")
            return numbers(8, int64, false);
    }
    return std::nullopt;
}

}  // namespace weightscope::detail
