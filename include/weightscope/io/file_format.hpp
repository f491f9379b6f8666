#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/onnx_sniff.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors_layout.hpp>
#include <weightscope/io/zip_directory.hpp>

namespace weightscope::detail {

enum class file_format
{
    safetensors,
    json,
    gguf,
    onnx,
    npy,
    npz,
    pytorch_zip,
    pytorch_legacy,
};

// What a file that holds no model of ours has at `offset`, what it then is, and what to do.
struct foreign_content
{
    std::string_view magic, what, cure;
    std::size_t offset = 0;
};

inline constexpr std::string_view save_again = "save its weights as safetensors or NPZ";
inline constexpr std::string_view not_the_page = "download the file itself, not the page that shows it";
inline constexpr std::string_view unpack = "unpack it and open the model that is in it";

inline constexpr foreign_content foreign_contents[] = {
    {"version https://git-lfs", "a Git-LFS pointer, not the model itself", "fetch that with: git lfs pull"},
    {"<!DOCTYPE", "an HTML page", not_the_page},
    {"<!doctype", "an HTML page", not_the_page},
    {"<html", "an HTML page", not_the_page},
    {"<HTML", "an HTML page", not_the_page},
    {"<?xml", "an XML text", not_the_page},
    {"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes", save_again},
    {"\x1f\x8b", "a gzip archive", unpack},
    {"7z\xbc\xaf\x27\x1c", "a 7z archive", unpack},
    {"\xfd" "7zXZ", "an xz archive", unpack},
    {"BZh", "a bzip2 archive", unpack},
    {"\x28\xb5\x2f\xfd", "a zstd archive", unpack},
    {"Rar!\x1a\x07", "a RAR archive", unpack},
    {"ustar", "a tar archive", unpack, 257},
    {"lmgg", "a GGML file of llama.cpp before GGUF", "download the model as GGUF"},
    {"fmgg", "a GGML file of llama.cpp before GGUF", "download the model as GGUF"},
    {"tjgg", "a GGML file of llama.cpp before GGUF", "download the model as GGUF"},
    {"TFL3", "a TensorFlow Lite model", save_again, 4},
    {"PTMF", "a PyTorch model for mobile devices", "open the checkpoint that it was made from", 4},
    {"ET12", "an ExecuTorch program", "open the checkpoint that it was made from", 4},
    {"MATLAB 5.0 MAT-file", "a MATLAB file", save_again},
    {std::string_view("\x12\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16), "an MXNet parameter file", save_again},
    {"%PDF-", "a PDF document", "open the model itself"},
};

// A header of the length that its first 8 bytes claim, beginning as JSON does.
inline bool looks_like_safetensors(std::span<const std::byte> bytes)
{
    std::uint64_t length = 0;
    if (bytes.size() <= sizeof length)
        return false;
    std::memcpy(&length, bytes.data(), sizeof length);
    return length <= longest_safetensors_header && bytes[sizeof length] == std::byte{'{'};
}

// A map of few keys whose first is a word, as Flax writes in MessagePack: {"params": ...}
inline bool looks_like_msgpack(std::string_view text)
{
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (text.size() < 4 || byte(0) < 0x81 || byte(0) > 0x8f || byte(1) < 0xa1 || byte(1) > 0xbf)
        return false;
    const std::string_view key = text.substr(2, byte(1) - 0xa0u);
    return std::ranges::all_of(key, [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; });
}

// A zip archive is told by the names of its entries.
inline file_format zip_format_of(const mapped_file& file)
{
    const std::vector<zip_entry> entries = read_zip_directory(file);
    const auto any_ends_with = [&](std::string_view ending) {
        return std::ranges::any_of(entries, [&](const zip_entry& entry) { return entry.name.ends_with(ending); });
    };
    if (any_ends_with("data.pkl"))
        return file_format::pytorch_zip;
    if (any_ends_with(".npy"))
        return file_format::npz;
    if (any_ends_with("model.weights.h5"))
        throw io_error(file.path(), std::nullopt, {}, fmt::format("is a Keras archive; {}", save_again));
    throw io_error(file.path(), std::nullopt, {},
                   fmt::format("is a zip archive, but holds neither the data.pkl of PyTorch nor the .npy of NumPy; {}", unpack));
}

// What a Python pickle is: the first thing in a file of PyTorch before 1.6 is a number that nothing else begins with.
inline file_format pickle_format_of(const mapped_file& file, std::string_view text)
{
    constexpr std::string_view torch_magic = "\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19";
    if (text.substr(0, 32).find(torch_magic) != std::string_view::npos)
        return file_format::pytorch_legacy;
    throw io_error(file.path(), std::nullopt, {},
                   fmt::format("is a Python pickle, but not one that torch.save wrote; {}", save_again));
}

// By content; the name counts only where the content is too damaged to tell, so that the error can say what is wrong
// with it.
inline file_format format_of(const mapped_file& file)
{
    const std::span<const std::byte> bytes = file.bytes();
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto is = [&](std::string_view what, std::string_view cure) {
        throw io_error(file.path(), std::nullopt, {}, fmt::format("is {}; {}", what, cure));
    };
    if (looks_like_safetensors(bytes))
        return file_format::safetensors;
    if (text.starts_with("GGUF"))
        return file_format::gguf;
    if (text.starts_with("\x93NUMPY"))
        return file_format::npy;
    if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06"))
        return zip_format_of(file);
    if (text.size() > 1 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5)
        return pickle_format_of(file, text);
    for (const foreign_content& content : foreign_contents)
        if (text.size() > content.offset && text.substr(content.offset).starts_with(content.magic))
            is(content.what, content.cure);
    const std::filesystem::path ending = file.path().extension();
    if (ending == ".safetensors")
        return file_format::safetensors;
    switch (sniff_protobuf(text)) {
        case protobuf_kind::onnx:
            return file_format::onnx;
        case protobuf_kind::core_ml:
            is("a Core ML model", save_again);
            break;
        case protobuf_kind::saved_model:
            is("a TensorFlow SavedModel", save_again);
            break;
        case protobuf_kind::none:
            break;
    }
    if (ending == ".onnx")
        return file_format::onnx;
    if (ending == ".json" || text.starts_with('{'))
        return file_format::json;
    if (looks_like_msgpack(text))
        is("a MessagePack file, as Flax writes", save_again);
    throw io_error(file.path(), std::nullopt, {},
                   fmt::format("begins with '{}', as no format that is known here does; this version reads safetensors, GGUF, ONNX, PyTorch "
                               "(.pt, .pth, .bin), NPY and NPZ",
                               printable(text.substr(0, 8))));
}

}  // namespace weightscope::detail
