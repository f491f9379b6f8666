#include <filesystem>
#include <string>
#include <string_view>

#include <weightscope/core/error.hpp>
#include <weightscope/io/file_format.hpp>

#include "../catch.hpp"
#include "files.hpp"

using namespace weightscope;
using namespace std::string_view_literals;
using detail::file_format;

namespace {

file_format format_of(const std::string& name, std::string_view content)
{
    const files::temporary_folder folder;
    return detail::format_of(mapped_file(files::write(folder / name, content)));
}

std::string refusal(const std::string& name, std::string_view content)
{
    const std::string text = files::message<io_error>([&] { format_of(name, content); });
    const std::size_t at = text.find("/" + name + ": ");
    return at == text.npos ? text : text.substr(at + name.size() + 3);
}

}  // namespace

TEST_CASE("a model file is told by its content, not by its name")
{
    CHECK(format_of("a.bin", files::safetensors("{}")) == file_format::safetensors);
    CHECK(format_of("a", files::one_tensor("w")) == file_format::safetensors);
    CHECK(format_of("a.json", files::one_tensor("w")) == file_format::safetensors);
    // headers whose length looks like the magic of another format
    CHECK(format_of("a", files::safetensors("{}" + std::string(0x0280 - 2, ' '))) == file_format::safetensors);
    CHECK(format_of("a", files::safetensors("{}" + std::string(0x7b - 2, ' '))) == file_format::safetensors);
    CHECK(format_of("index", R"({"weight_map":{}})") == file_format::json);
    CHECK(format_of("a.json", " {}") == file_format::json);
}

TEST_CASE("a damaged file that is named .safetensors is taken for one, so that the damage is told")
{
    CHECK(format_of("a.safetensors", "abc") == file_format::safetensors);
    CHECK(format_of("a.safetensors", "\xff\xff\xff\xff\xff\xff\xff\xff{}"sv) == file_format::safetensors);
}

TEST_CASE("what is no model is called by its name")
{
    const std::string convert = "; this version reads safetensors only: convert it";
    CHECK(refusal("a.gguf", "GGUF\3\0\0\0"sv) == "is a GGUF file" + convert);
    CHECK(refusal("a.pt", "PK\x03\x04\0\0\x08\x08\0\0"sv)
          == "is a zip archive, as PyTorch (.pt, .pth) and NumPy (.npz) write" + convert);
    CHECK(refusal("a.pt", "\x80\x02\x8a\nl\xfc\x9c\x46\xf9"sv)
          == "is a Python pickle, as older versions of PyTorch (.pt, .pth) write" + convert);
    CHECK(refusal("a.pkl", "\x80\x04\x95\0\0\0\0\0\0\0\0\0"sv) == "is a Python pickle" + convert);
    CHECK(refusal("a.npy", "\x93NUMPY\1\0v\0"sv) == "is a NumPy array" + convert);
    CHECK(refusal("a.h5", "\x89HDF\r\n\x1a\n"sv) == "is an HDF5 file, as Keras writes" + convert);
    CHECK(refusal("a.onnx", "\x08\x07\x12\x07pytorch"sv) == "is perhaps an ONNX model" + convert);
    CHECK(refusal("a.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:8e\n")
          == "is a Git-LFS pointer, not the model itself; fetch that with: git lfs pull");
    for (const char* page : {"<!DOCTYPE html>", "<!doctype html>", "<html>"})
        CHECK(refusal("a.safetensors", page)
              == "is an HTML page; download the file itself, not the page that shows it");
    CHECK(refusal("a.bin", "\x40\0\0\0\x1b[2J"sv)
          == "begins with '@\\u{0}\\u{0}\\u{0}\\u{1b}[2J', as no format that is known here does; this version reads safetensors "
             "only");
    CHECK(refusal("a.bin", "") == "is empty (0 bytes); download or write it again");
}
