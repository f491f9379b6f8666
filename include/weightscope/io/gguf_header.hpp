#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

// The bytes of a file from front to back; what is not there is refused before anything is made of it.
class gguf_cursor
{
public:
    explicit gguf_cursor(const mapped_file& file) : file_(file) {}

    std::uint64_t offset() const { return offset_; }
    std::uint64_t rest() const { return file_.bytes().size() - offset_; }
    const std::filesystem::path& path() const { return file_.path(); }

    template <class T>
    T number(std::string_view field)
    {
        T value;
        std::memcpy(&value, take(sizeof value, field).data(), sizeof value);
        return value;
    }

    // `what` things of at least `least_bytes` each, which the rest of the file must have room for.
    std::uint64_t count(std::string_view field, std::uint64_t least_bytes, std::string_view what)
    {
        const std::uint64_t at = offset_, value = number<std::uint64_t>(field);
        if (value > rest() / least_bytes)
            refuse_damaged(path(), at, std::string(field),
                           fmt::format("{} {}, which the {} bytes behind cannot hold", value, what, rest()));
        return value;
    }

    std::string_view text(std::string_view field)
    {
        const std::uint64_t length = count(field, 1, "bytes of text");
        const auto bytes = take(length, field);
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

    std::span<const std::byte> take(std::uint64_t size, std::string_view field)
    {
        if (size > rest())
            refuse_damaged(path(), file_.bytes().size(), std::string(field),
                           fmt::format("the file ends after {} of {} bytes of it", rest(), size));
        const auto bytes = file_.bytes().subspan(offset_, size);
        offset_ += size;
        return bytes;
    }

private:
    const mapped_file& file_;
    std::uint64_t offset_ = 0;
};

enum class gguf_kind : std::uint32_t
{
    uint8,
    int8,
    uint16,
    int16,
    uint32,
    int32,
    float32,
    boolean,
    text,
    array,
    uint64,
    int64,
    float64
};

inline constexpr std::array<std::string_view, 13> gguf_kind_names = {
    "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array", "uint64", "int64", "float64"};
inline constexpr std::array<std::uint8_t, 13> gguf_kind_bytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};  // at least

inline gguf_kind read_gguf_kind(gguf_cursor& cursor, const std::string& field)
{
    const std::uint64_t at = cursor.offset();
    const auto number = cursor.number<std::uint32_t>(field);
    if (number >= gguf_kind_names.size())
        refuse_damaged(cursor.path(), at, field, fmt::format("its type is {}, expected one from 0 to 12", number));
    return static_cast<gguf_kind>(number);
}

// A number as text that reads back as the same number.
inline std::string read_gguf_number(gguf_cursor& cursor, gguf_kind kind, const std::string& field)
{
    const auto text_of = [&]<class T>(std::type_identity<T>) { return fmt::format("{}", cursor.number<T>(field)); };
    switch (kind) {
    case gguf_kind::uint8: return text_of(std::type_identity<std::uint8_t>{});
    case gguf_kind::int8: return fmt::format("{}", static_cast<int>(cursor.number<std::int8_t>(field)));
    case gguf_kind::uint16: return text_of(std::type_identity<std::uint16_t>{});
    case gguf_kind::int16: return text_of(std::type_identity<std::int16_t>{});
    case gguf_kind::uint32: return text_of(std::type_identity<std::uint32_t>{});
    case gguf_kind::int32: return text_of(std::type_identity<std::int32_t>{});
    case gguf_kind::float32: return text_of(std::type_identity<float>{});
    case gguf_kind::boolean: return cursor.number<std::uint8_t>(field) != 0 ? "true" : "false";
    case gguf_kind::uint64: return text_of(std::type_identity<std::uint64_t>{});
    case gguf_kind::int64: return text_of(std::type_identity<std::int64_t>{});
    default: return text_of(std::type_identity<double>{});
    }
}

// Longer texts than any chat template, and longer arrays than one number per layer, are described.
inline constexpr std::size_t longest_gguf_text = std::size_t{1} << 20, most_gguf_numbers = 512, most_gguf_texts = 8;

inline void skip_gguf_elements(gguf_cursor& cursor, gguf_kind kind, std::uint64_t count, const std::string& field, int depth)
{
    constexpr int deepest = 4;
    if (kind != gguf_kind::text && kind != gguf_kind::array) {
        (void)cursor.take(count * gguf_kind_bytes[static_cast<std::size_t>(kind)], field);
        return;
    }
    if (depth == deepest)
        refuse_damaged(cursor.path(), cursor.offset(), field, fmt::format("arrays are nested deeper than {} levels", deepest));
    for (std::uint64_t i = 0; i < count; ++i) {
        if (kind == gguf_kind::text) {
            (void)cursor.text(field);
        } else {
            const gguf_kind inner = read_gguf_kind(cursor, field);
            skip_gguf_elements(cursor, inner, cursor.count(field, gguf_kind_bytes[static_cast<std::size_t>(inner)], "elements"), field,
                               depth + 1);
        }
    }
}

inline std::string read_gguf_scalar(gguf_cursor& cursor, gguf_kind kind, const std::string& field)
{
    if (kind != gguf_kind::text)
        return read_gguf_number(cursor, kind, field);
    const std::string_view text = cursor.text(field);
    return text.size() > longest_gguf_text ? fmt::format("text of {} bytes", text.size()) : std::string(text);
}

inline std::string read_gguf_value(gguf_cursor& cursor, const std::string& field)
{
    const gguf_kind kind = read_gguf_kind(cursor, field);
    if (kind != gguf_kind::array)
        return read_gguf_scalar(cursor, kind, field);
    const gguf_kind element = read_gguf_kind(cursor, field);
    const std::uint64_t count = cursor.count(field, gguf_kind_bytes[static_cast<std::size_t>(element)], "elements");
    if (element == gguf_kind::array || count > (element == gguf_kind::text ? most_gguf_texts : most_gguf_numbers)) {
        skip_gguf_elements(cursor, element, count, field, 1);
        return fmt::format("array of {} x {}", count, gguf_kind_names[static_cast<std::size_t>(element)]);
    }
    std::string result = "[";
    for (std::uint64_t i = 0; i < count; ++i)
        result += (i == 0 ? "" : ", ") + read_gguf_scalar(cursor, element, field);
    return result + "]";
}

// What stands before keys and tensors.
struct gguf_counts
{
    std::uint32_t version = 0;
    std::uint64_t tensors = 0, keys = 0;
};

inline gguf_counts read_gguf_counts(gguf_cursor& cursor)
{
    const auto magic = cursor.take(4, "magic");
    if (std::memcmp(magic.data(), "GGUF", 4) != 0)
        throw io_error(cursor.path(), 0, "magic",
                       fmt::format("is '{}', expected 'GGUF'; this is no GGUF file",
                                   printable({reinterpret_cast<const char*>(magic.data()), magic.size()})));
    gguf_counts result{.version = cursor.number<std::uint32_t>("version")};
    const auto refuse = [&](std::string_view fault) { throw io_error(cursor.path(), 4, "version", fault); };
    if (result.version != 0 && (result.version & 0xffff) == 0)
        refuse(fmt::format("is {:#x}: the file is big-endian, which is not supported; convert it with gguf_convert_endian.py of llama.cpp",
                           result.version));
    if (result.version == 1)
        refuse("is 1, which is out of use since 2023; expected 2 or 3: convert the model again with a llama.cpp of today");
    if (result.version != 2 && result.version != 3)
        refuse(fmt::format("is {}, expected 2 or 3; either the file is damaged or it is too new for this version", result.version));
    constexpr std::uint64_t least_tensor = 8 + 4 + 4 + 8;  // length of the name, dimensions, type, offset
    constexpr std::uint64_t least_key = 8 + 1 + 4 + 1;     // length of the key, one letter, type, one byte
    result.tensors = cursor.count("tensor count", least_tensor, "tensors");
    result.keys = cursor.count("key count", least_key, "keys");
    return result;
}

}  // namespace weightscope::detail
