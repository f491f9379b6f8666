#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <protozero/exception.hpp>
#include <protozero/varint.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/onnx_external.hpp>
#include <weightscope/io/onnx_message.hpp>
#include <weightscope/io/onnx_type.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

// Reads the fields of a TensorProto, and checks each by itself.
class onnx_tensor_fields
{
public:
    const onnx_type* type = &onnx_types[0];
    std::vector<std::size_t> shape = {};
    std::uint64_t elements = 1;  // below 2^56, so that their bits can be counted
    unsigned data = 0;           // field that holds the elements, 0 if none does
    std::string_view raw = {};
    onnx_field run = {};  // the last run of a repeated field
    std::size_t runs = 0;
    bool is_external = false;
    onnx_external_data external = {};
    std::string what;  // what errors call the tensor

    onnx_tensor_fields(const mapped_file& file, std::string_view message, std::string_view name)
        : what(fmt::format("tensor '{}'", printable(name))), file_(file), message_(message)
    {
        external = {.at = offset(message.data()), .field = what + ": external_data"};
        std::uint64_t number = 0;
        for (onnx_cursor cursor(file, message, what); cursor.next();) {
            if (cursor.field().number == 2)
                number = cursor.number();
            else
                read(cursor);
        }
        if (number == 0 || number >= onnx_types.size())
            unsupported(message.data(), "data_type",
                        fmt::format("is {}, expected 1 to {}; this version knows {} to {}", number, onnx_types.size() - 1, onnx_types[1].name,
                                    onnx_types.back().name));
        type = &onnx_types[number];
        count_elements();
    }

    std::uint64_t needed_bytes() const { return (elements * type->bits + 7) / 8; }

    std::uint64_t offset(const char* at) const
    {
        return static_cast<std::uint64_t>(at - reinterpret_cast<const char*>(file_.bytes().data()));
    }
    [[noreturn]] void refuse(const char* at, std::string_view field, std::string_view fault) const
    {
        refuse_damaged(file_.path(), offset(at), fmt::format("{}: {}", what, field), fault);
    }
    [[noreturn]] void unsupported(const char* at, std::string_view field, std::string_view fault) const
    {
        throw io_error(file_.path(), offset(at), fmt::format("{}: {}", what, field), fault);
    }

private:
    void read(const onnx_cursor& cursor)
    {
        const onnx_field& field = cursor.field();
        switch (field.number) {
            case 1:
                read_dims(cursor);
                break;
            case 3:
                unsupported(field.at, "segment", "is not supported; save the tensor in one piece");
            case onnx_raw_data:
                take_data(field);
                raw = cursor.bytes();
                break;
            case onnx_float_data:
            case onnx_int32_data:
            case onnx_string_data:
            case onnx_int64_data:
            case onnx_double_data:
            case onnx_uint64_data:
                take_data(field);
                run = field;
                ++runs;
                break;
            case 13:
                read_external(cursor);
                break;
            case 14:
                is_external = cursor.number() == 1;
                break;
            default:
                break;
        }
    }

    void take_data(const onnx_field& field)
    {
        if (data != 0 && (data != field.number || data == onnx_raw_data))
            refuse(field.at, "data", fmt::format("stand twice, in the fields {} and {}", data, field.number));
        data = field.number;
    }

    void read_dims(const onnx_cursor& cursor)
    {
        constexpr std::size_t most = 64;
        const onnx_field& field = cursor.field();
        const auto add = [&](std::uint64_t extent) {
            if (extent > std::uint64_t{1} << 62)
                refuse(field.at, "dims", fmt::format("an extent is {}, expected 0 to 2^62", static_cast<std::int64_t>(extent)));
            if (shape.size() == most)
                refuse(field.at, "dims", fmt::format("has more than {} dimensions", most));
            shape.push_back(static_cast<std::size_t>(extent));
        };
        if (field.wire == onnx_wire::varint) {
            add(field.value);
            return;
        }
        const std::string_view packed = cursor.bytes();
        const char *at = packed.data(), *end = at + packed.size();
        try {
            while (at != end)
                add(protozero::decode_varint(&at, end));
        } catch (const protozero::exception&) {
            refuse(at, "dims", "a number is cut off or longer than 10 bytes");
        }
    }

    void read_external(const onnx_cursor& cursor)
    {
        std::string_view key, value;
        for (onnx_cursor entry(file_, cursor.bytes(), external.field); entry.next();) {
            if (entry.field().number == 1)
                key = entry.bytes();
            else if (entry.field().number == 2)
                value = entry.bytes();
        }
        if (key == "location") {
            external.location = value;
            external.at = offset(cursor.field().at);
        } else if (key == "offset") {
            external.offset = value;
        } else if (key == "length") {
            external.length = value;
        }
    }

    void count_elements()
    {
        constexpr std::uint64_t most = std::uint64_t{1} << 56;
        for (const std::size_t extent : shape)
            if (extent == 0)
                elements = 0;
        for (const std::size_t extent : shape) {
            if (elements != 0 && extent > most / elements)
                refuse(message_.data(), "dims", fmt::format("{} has more than 2^56 elements", shape));
            elements *= extent;
        }
    }

    const mapped_file& file_;
    std::string_view message_;
};

}  // namespace weightscope::detail
