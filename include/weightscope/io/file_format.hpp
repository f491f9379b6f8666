#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors_layout.hpp>

namespace weightscope::detail {

enum class file_format
{
    safetensors,
    json,
};

// What a file that holds no model of ours begins with, what it then is, and what to do.
struct foreign_content
{
    std::string_view magic, what, cure;
};

inline constexpr std::string_view convert = "this version reads safetensors only: convert it";
inline constexpr std::string_view not_the_page = "download the file itself, not the page that shows it";

inline constexpr std::array<foreign_content, 12> foreign_contents = {{
    {"version https://git-lfs", "a Git-LFS pointer, not the model itself", "fetch that with: git lfs pull"},
    {"<!DOCTYPE", "an HTML page", not_the_page},
    {"<!doctype", "an HTML page", not_the_page},
    {"<html", "an HTML page", not_the_page},
    {"GGUF", "a GGUF file", convert},
    {"PK\x03\x04", "a zip archive, as PyTorch (.pt, .pth) and NumPy (.npz) write", convert},
    {"\x80\x02", "a Python pickle, as older versions of PyTorch (.pt, .pth) write", convert},
    {"\x80\x03", "a Python pickle", convert},
    {"\x80\x04", "a Python pickle", convert},
    {"\x80\x05", "a Python pickle", convert},
    {"\x93NUMPY", "a NumPy array", convert},
    {"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes", convert},
}};

// A header of the length that its first 8 bytes claim, beginning as JSON does.
inline bool looks_like_safetensors(std::span<const std::byte> bytes)
{
    std::uint64_t length = 0;
    if (bytes.size() <= sizeof length)
        return false;
    std::memcpy(&length, bytes.data(), sizeof length);
    return length <= longest_safetensors_header && bytes[sizeof length] == std::byte{'{'};
}

// By content; the name counts only where the content is too damaged to tell, so that the error can say what is wrong
// with it.
inline file_format format_of(const mapped_file& file)
{
    const std::span<const std::byte> bytes = file.bytes();
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (looks_like_safetensors(bytes))
        return file_format::safetensors;
    for (const foreign_content& content : foreign_contents)
        if (text.starts_with(content.magic))
            throw io_error(file.path(), std::nullopt, {}, fmt::format("is {}; {}", content.what, content.cure));
    if (file.path().extension() == ".safetensors")
        return file_format::safetensors;
    if (file.path().extension() == ".json" || text.starts_with('{'))
        return file_format::json;
    const bool protobuf = text.starts_with('\x08');  // field 1, ONNX's ir_version
    throw io_error(file.path(), std::nullopt, {},
                   protobuf ? fmt::format("is perhaps an ONNX model; {}", convert)
                            : fmt::format("begins with '{}', as no format that is known here does; this version reads "
                                          "safetensors only",
                                          printable(text.substr(0, 8))));
}

}  // namespace weightscope::detail
