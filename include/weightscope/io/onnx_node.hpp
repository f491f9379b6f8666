#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <protozero/exception.hpp>
#include <protozero/varint.hpp>

#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/onnx_message.hpp>

namespace weightscope::detail {

// An attribute of a node, as far as we look at them.
struct onnx_attribute
{
    std::string_view name = {};
    std::string_view message = {};
    std::int64_t i = 0;
    std::vector<std::int64_t> ints = {};  // the first few
    std::vector<std::string_view> tensors = {}, sparse_tensors = {}, graphs = {};
};

// Appends the integers of a field, packed or not, until there are `most`.
inline void read_onnx_ints(const onnx_cursor& cursor, std::size_t most, std::vector<std::int64_t>& ints)
{
    if (cursor.field().wire == onnx_wire::varint) {
        if (ints.size() < most)
            ints.push_back(static_cast<std::int64_t>(cursor.field().value));
        return;
    }
    const std::string_view packed = cursor.bytes();
    const char *at = packed.data(), *end = at + packed.size();
    try {
        while (at != end && ints.size() < most)
            ints.push_back(static_cast<std::int64_t>(protozero::decode_varint(&at, end)));
    } catch (const protozero::exception&) {
        cursor.refuse(cursor.field().at, "a number is cut off or longer than 10 bytes");
    }
}

inline onnx_attribute read_onnx_attribute(const mapped_file& file, std::string_view message)
{
    onnx_attribute result{.message = message};
    for (onnx_cursor cursor(file, message, "attribute"); cursor.next();) {
        switch (cursor.field().number) {
            case 1:
                result.name = cursor.bytes();
                break;
            case 3:
                result.i = static_cast<std::int64_t>(cursor.number());
                break;
            case 5:
            case 10:
                result.tensors.push_back(cursor.bytes());
                break;
            case 8:
                read_onnx_ints(cursor, 8, result.ints);
                break;
            case 6:
            case 11:
                result.graphs.push_back(cursor.bytes());
                break;
            case 22:
            case 23:
                result.sparse_tensors.push_back(cursor.bytes());
                break;
            default:
                break;
        }
    }
    return result;
}

// A node of a graph.
struct onnx_node
{
    std::string_view message = {};
    std::string_view name = {}, op = {}, domain = {};
    std::vector<std::string_view> inputs = {}, outputs = {};
    std::vector<onnx_attribute> attributes = {};

    bool is(std::string_view wanted) const { return op == wanted && (domain.empty() || domain == "ai.onnx"); }
    bool is_microsoft(std::string_view wanted) const { return op == wanted && domain == "com.microsoft"; }

    std::string_view input(std::size_t i) const { return i < inputs.size() ? inputs[i] : std::string_view(); }
    std::string_view output() const { return outputs.empty() ? std::string_view() : outputs[0]; }

    const onnx_attribute* attribute(std::string_view wanted) const
    {
        for (const onnx_attribute& a : attributes)
            if (a.name == wanted)
                return &a;
        return nullptr;
    }
    std::int64_t number(std::string_view wanted, std::int64_t otherwise) const
    {
        const onnx_attribute* found = attribute(wanted);
        return found == nullptr ? otherwise : found->i;
    }
};

inline onnx_node read_onnx_node(const mapped_file& file, std::string_view message)
{
    onnx_node result{.message = message};
    for (onnx_cursor cursor(file, message, "node"); cursor.next();) {
        switch (cursor.field().number) {
            case 1:
                result.inputs.push_back(cursor.bytes());
                break;
            case 2:
                result.outputs.push_back(cursor.bytes());
                break;
            case 3:
                result.name = cursor.bytes();
                break;
            case 4:
                result.op = cursor.bytes();
                break;
            case 5:
                result.attributes.push_back(read_onnx_attribute(file, cursor.bytes()));
                break;
            case 7:
                result.domain = cursor.bytes();
                break;
            default:
                break;
        }
    }
    return result;
}

}  // namespace weightscope::detail
