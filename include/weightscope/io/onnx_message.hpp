#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <protozero/exception.hpp>
#include <protozero/varint.hpp>

#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/mapped_file.hpp>

namespace weightscope::detail {

enum class onnx_wire : unsigned
{
    varint = 0,
    eight_bytes = 1,
    bytes = 2,
    four_bytes = 5
};

// One field of a message: a number, or bytes, which a message, a text or packed numbers may be.
struct onnx_field
{
    unsigned number = 0;
    onnx_wire wire = onnx_wire::varint;
    std::uint64_t value = 0;      // of a varint, or the bits of four or eight bytes
    std::string_view bytes = {};  // of a field that has them; else those of the number
    const char* at = nullptr;     // its first byte
};

// Walks over the fields of a protocol buffer message in a file. Every length is checked against what is left.
class onnx_cursor
{
public:
    // `what` is what errors call the message: "graph"
    onnx_cursor(const mapped_file& file, std::string_view message, std::string_view what)
        : file_(file), at_(message.data()), end_(message.data() + message.size()), what_(what)
    {
    }

    bool next()
    {
        if (at_ == end_)
            return false;
        field_ = {.at = at_};
        const std::uint64_t tag = varint();
        const std::uint64_t number = tag >> 3;
        if (number == 0 || number > 0x1fffffff)
            refuse(field_.at, fmt::format("found the field number {}, which is none", number));
        field_.number = static_cast<unsigned>(number);
        field_.wire = static_cast<onnx_wire>(tag & 7);
        switch (field_.wire) {
            case onnx_wire::varint: {
                const char* begin = at_;
                field_.value = varint();
                field_.bytes = {begin, static_cast<std::size_t>(at_ - begin)};
                break;
            }
            case onnx_wire::four_bytes:
                field_.bytes = take(4);
                break;
            case onnx_wire::eight_bytes:
                field_.bytes = take(8);
                break;
            case onnx_wire::bytes:
                field_.bytes = take(varint());
                break;
            default:
                refuse(field_.at, fmt::format("found a field of the unknown wire type {}", tag & 7));
        }
        if (field_.wire == onnx_wire::four_bytes || field_.wire == onnx_wire::eight_bytes)
            std::memcpy(&field_.value, field_.bytes.data(), field_.bytes.size());
        return true;
    }

    const onnx_field& field() const { return field_; }
    const char* here() const { return at_; }

    // The field must be a message, a text or bytes.
    std::string_view bytes() const
    {
        expect(field_.wire == onnx_wire::bytes, "text or message");
        return field_.bytes;
    }
    std::uint64_t number() const
    {
        expect(field_.wire == onnx_wire::varint, "whole number");
        return field_.value;
    }

    std::uint64_t offset(const char* at) const
    {
        return static_cast<std::uint64_t>(at - reinterpret_cast<const char*>(file_.bytes().data()));
    }
    [[noreturn]] void refuse(const char* at, std::string_view fault) const { refuse_damaged(file_.path(), offset(at), std::string(what_), fault); }

private:
    void expect(bool condition, std::string_view what) const
    {
        if (!condition)
            refuse(field_.at, fmt::format("field {} is no {}", field_.number, what));
    }

    std::uint64_t varint()
    {
        const char* begin = at_;
        try {
            return protozero::decode_varint(&at_, end_);
        } catch (const protozero::varint_too_long_exception&) {
            refuse(begin, "a number does not end after 10 bytes");
        } catch (const protozero::exception&) {
            refuse(begin, "a number is cut off");
        }
    }

    std::string_view take(std::uint64_t size)
    {
        const auto left = static_cast<std::uint64_t>(end_ - at_);
        if (size > left)
            refuse(field_.at, fmt::format("field {} has {} bytes, but {} are left", field_.number, size, left));
        const std::string_view taken(at_, size);
        at_ += size;
        return taken;
    }

    const mapped_file& file_;
    const char* at_;
    const char* end_;
    std::string_view what_;
    onnx_field field_ = {};
};

}  // namespace weightscope::detail
