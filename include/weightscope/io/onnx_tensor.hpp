#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/onnx_external.hpp>
#include <weightscope/io/onnx_message.hpp>
#include <weightscope/io/onnx_tensor_fields.hpp>
#include <weightscope/io/onnx_type.hpp>
#include <weightscope/io/onnx_values.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

// A tensor of an ONNX model: what is shown of it, and where its elements are.
struct onnx_tensor
{
    named_tensor tensor = {};
    onnx_storage storage = {};
};

inline std::span<const std::byte> bytes_in(std::string_view text)
{
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// What the tensor shows of its storage.
inline void show_onnx_storage(onnx_tensor& result)
{
    const onnx_type& type = *result.storage.type;
    named_tensor& tensor = result.tensor;
    tensor.dtype = type.values;
    tensor.bytes = result.storage.plain;
    if (type.values == dtype::opaque) {
        tensor.encoding = type.name;
    } else if (result.storage.repeated || type.bits < 8) {
        tensor.encoding = type.bits < 8 ? std::string(type.name) : fmt::format("{} as numbers", to_string(type.values));
        tensor.encoded_bytes = tensor.bytes.size();
        tensor.decoder = std::make_shared<const onnx_values>(result.storage, tensor.file);
    }
}

// Finds the elements of a tensor in another file.
inline void place_onnx_outside(const onnx_tensor_fields& fields, std::string_view message, onnx_external_files& external, onnx_tensor& result)
{
    if (fields.data != 0)
        fields.refuse(message.data(), "data_location", "is EXTERNAL, but the data are there as well");
    if (fields.type->bits == 0)
        fields.refuse(message.data(), "data_location", fmt::format("is EXTERNAL, which {} cannot be", fields.type->name));
    if (fields.elements == 0)
        return;
    const onnx_external_files::place place = external.find(fields.external, fields.needed_bytes());
    result.tensor.file = place.file;
    result.tensor.offset = place.offset;
    result.storage.plain = place.file->bytes().subspan(place.offset, place.bytes);
}

// Finds the elements of a tensor in its message.
inline void place_onnx_inside(const onnx_tensor_fields& fields, const mapped_file& file, std::string_view message, onnx_tensor& result)
{
    const onnx_type& type = *fields.type;
    const std::string shape_and_type = fmt::format("{} of {}", fields.shape, type.name);
    result.tensor.offset = fields.offset(message.data());
    if (fields.data != 0 && fields.data != onnx_raw_data && fields.data != type.field)
        fields.refuse(fields.run.at, "data",
                      fmt::format("stand in field {}, but {} belongs into {} or {}", fields.data, type.name, onnx_raw_data, type.field));
    if (type.bits == 0) {  // STRING: of any length, listed
        result.storage.plain = bytes_in(message);
        return;
    }
    // one run of packed floats is what raw_data would be
    const bool floats = fields.data == onnx_float_data || fields.data == onnx_double_data;
    if (fields.data == onnx_raw_data || fields.data == 0 || (floats && fields.runs == 1 && fields.run.wire == onnx_wire::bytes)) {
        const std::string_view bytes = fields.data == onnx_raw_data ? fields.raw : fields.run.bytes;
        const char* at = bytes.empty() ? message.data() : bytes.data();
        if (bytes.size() != fields.needed_bytes())
            fields.refuse(at, "data", fmt::format("has {} bytes, but {} needs {}", bytes.size(), shape_and_type, fields.needed_bytes()));
        result.storage.plain = bytes_in(bytes);
        result.tensor.offset = fields.offset(at);
        return;
    }
    const std::size_t unit = type.bits < 8                          ? 1
                             : fields.data == onnx_float_data  ? 4
                             : fields.data == onnx_double_data ? 8
                                                               : type.bits / 8;
    const onnx_wire wire = fields.data == onnx_float_data    ? onnx_wire::four_bytes
                           : fields.data == onnx_double_data ? onnx_wire::eight_bytes
                                                             : onnx_wire::varint;
    auto repeated = std::make_shared<const onnx_repeated>(file, message, fields.data, unit, fields.what, wire);
    if (repeated->count() != fields.needed_bytes() / unit)
        fields.refuse(fields.run.at, "data",
                      fmt::format("has {} numbers, but {} needs {}", repeated->count(), shape_and_type, fields.needed_bytes() / unit));
    result.storage.repeated = std::move(repeated);
    result.storage.plain = bytes_in(message);
}

// The name that a TensorProto gives itself.
inline std::string_view onnx_tensor_name(const mapped_file& file, std::string_view message)
{
    std::string_view name;
    for (onnx_cursor cursor(file, message, "tensor"); cursor.next();)
        if (cursor.field().number == 8)
            name = cursor.bytes();
    return name;
}

// Reads a TensorProto that is called `name`.
inline onnx_tensor read_onnx_tensor(const std::shared_ptr<const mapped_file>& file, onnx_external_files& external, std::string_view message,
                                    std::string_view name)
{
    const onnx_tensor_fields fields(*file, message, name);
    onnx_tensor result{.tensor = {.name = std::string(name), .shape = fields.shape, .file = file, .offset = fields.offset(message.data())},
                       .storage = {.type = fields.type}};
    if (fields.is_external)
        place_onnx_outside(fields, message, external, result);
    else
        place_onnx_inside(fields, *file, message, result);
    show_onnx_storage(result);
    return result;
}

// Reads a field that holds numbers itself, as the attributes of a Constant node do: `message` is that of the attribute. Nothing where
// there should be one number, but is none: some writers leave zeros out.
inline std::optional<onnx_tensor> read_onnx_numbers(const std::shared_ptr<const mapped_file>& file, std::string_view message, unsigned field,
                                                    const onnx_type& type, bool scalar, std::string_view name)
{
    const std::string what = fmt::format("tensor '{}'", printable(name));
    const std::uint64_t offset = onnx_cursor(*file, message, what).offset(message.data());
    auto repeated = std::make_shared<const onnx_repeated>(*file, message, field, type.bits / 8, what,
                                                          type.bits == 32 ? onnx_wire::four_bytes : onnx_wire::varint);
    if (scalar && repeated->count() == 0)
        return std::nullopt;
    if (scalar && repeated->count() > 1)
        refuse_damaged(file->path(), offset, what, fmt::format("has {} values, expected one", repeated->count()));
    onnx_tensor result{.tensor = {.name = std::string(name), .file = file, .offset = offset}, .storage = {.type = &type}};
    if (!scalar)
        result.tensor.shape = {repeated->count()};
    result.storage.repeated = std::move(repeated);
    result.storage.plain = bytes_in(message);
    show_onnx_storage(result);
    return result;
}

}  // namespace weightscope::detail
