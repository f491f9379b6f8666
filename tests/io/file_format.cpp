#include <filesystem>
#include <string>
#include <string_view>

#include <weightscope/core/error.hpp>
#include <weightscope/io/file_format.hpp>

#include "../catch.hpp"
#include "files.hpp"
#include "npz_builder.hpp"

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

TEST_CASE("the other formats are told by their content too")
{
    CHECK(format_of("a", "GGUF\3\0\0\0"sv) == file_format::gguf);
    CHECK(format_of("a", "\x93NUMPY\1\0v\0"sv) == file_format::npy);
    // the magic number of torch.save before 1.6, pickled by the protocols 2 and 4
    CHECK(format_of("a", "\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."sv) == file_format::pytorch_legacy);
    CHECK(format_of("a", "\x80\x04\x95\x0d\0\0\0\0\0\0\0\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."sv) == file_format::pytorch_legacy);
    CHECK(format_of("a", npz_builder::zip({{.name = "a.npy", .content = "x"}})) == file_format::npz);
    CHECK(format_of("a.npz", npz_builder::zip({{.name = "archive/data.pkl", .content = "x"}, {.name = "archive/b.npy", .content = "y"}}))
          == file_format::pytorch_zip);
    // ir_version, producer_name and a graph of two bytes; the same cut off within the graph; the version alone
    CHECK(format_of("a", "\x08\x07\x12\x07pytorch\x3a\x02\x12\0"sv) == file_format::onnx);
    CHECK(format_of("a", "\x08\x07\x12\x07pytorch\x3a\x09\x12"sv) == file_format::onnx);
    CHECK(format_of("a.onnx", "\xff\xff"sv) == file_format::onnx);
}

TEST_CASE("what is no model is called by its name")
{
    const std::string save = "; save its weights as safetensors or NPZ", unpack = "; unpack it and open the model that is in it";
    CHECK(refusal("a.zip", npz_builder::zip({{.name = "readme.txt", .content = "x"}}))
          == "is a zip archive, but holds neither the data.pkl of PyTorch nor the .npy of NumPy" + unpack);
    CHECK(refusal("a.keras", npz_builder::zip({{.name = "config.json", .content = "x"}, {.name = "model.weights.h5", .content = "y"}}))
          == "is a Keras archive" + save);
    CHECK(refusal("a.pth", "PK\x03\x04\0\0\x08\x08\0\0"sv)
          == "byte 10: zip directory: is not there: the archive is cut off before its end; download or write the file again");
    CHECK(refusal("a.pkl", "\x80\x04\x95\0\0\0\0\0\0\0\0\0"sv) == "is a Python pickle, but not one that torch.save wrote" + save);
    CHECK(refusal("a.h5", "\x89HDF\r\n\x1a\n"sv) == "is an HDF5 file, as Keras writes" + save);
    CHECK(refusal("a.gz", "\x1f\x8b\x08\0"sv) == "is a gzip archive" + unpack);
    CHECK(refusal("a.7z", "7z\xbc\xaf\x27\x1c\0\4"sv) == "is a 7z archive" + unpack);
    CHECK(refusal("a.xz", "\xfd" "7zXZ\0"sv) == "is an xz archive" + unpack);
    CHECK(refusal("a.bz2", "BZh91AY"sv) == "is a bzip2 archive" + unpack);
    CHECK(refusal("a.zst", "\x28\xb5\x2f\xfd\0"sv) == "is a zstd archive" + unpack);
    CHECK(refusal("a.rar", "Rar!\x1a\x07\x01\0"sv) == "is a RAR archive" + unpack);
    CHECK(refusal("a.tar", "model.bin" + std::string(248, '\0') + "ustar  ") == "is a tar archive" + unpack);
    for (const char* magic : {"lmgg", "fmgg", "tjgg"})
        CHECK(refusal("a.bin", std::string(magic) + "\1\1\1\1") == "is a GGML file of llama.cpp before GGUF; download the model as GGUF");
    CHECK(refusal("a.tflite", "\x1c\0\0\0TFL3\0\0"sv) == "is a TensorFlow Lite model" + save);
    CHECK(refusal("a.ptl", "\x1c\0\0\0PTMF\0\0"sv) == "is a PyTorch model for mobile devices; open the checkpoint that it was made from");
    CHECK(refusal("a.pte", "\x1c\0\0\0ET12\0\0"sv) == "is an ExecuTorch program; open the checkpoint that it was made from");
    CHECK(refusal("a.mat", "MATLAB 5.0 MAT-file, Platform: GLNXA64") == "is a MATLAB file" + save);
    CHECK(refusal("a.params", "\x12\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2"sv) == "is an MXNet parameter file" + save);
    CHECK(refusal("a.msgpack", "\x81\xa6params\x82\xa3xyz"sv) == "is a MessagePack file, as Flax writes" + save);
    // a version, a description and a neural network as field 500; a version and two graphs
    CHECK(refusal("a.mlmodel", "\x08\x05\x12\x02\x0a\0\xa2\x1f\x02\x0a\0"sv) == "is a Core ML model" + save);
    CHECK(refusal("saved_model.pb", "\x08\x01\x12\x02\x0a\0\x12\x02\x0a\0"sv) == "is a TensorFlow SavedModel" + save);
    CHECK(refusal("a.pdf", "%PDF-1.7") == "is a PDF document; open the model itself");
    CHECK(refusal("a.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:8e\n")
          == "is a Git-LFS pointer, not the model itself; fetch that with: git lfs pull");
    for (const char* page : {"<!DOCTYPE html>", "<!doctype html>", "<html>", "<HTML>"})
        CHECK(refusal("a.safetensors", page)
              == "is an HTML page; download the file itself, not the page that shows it");
    CHECK(refusal("a.safetensors", "<?xml version") == "is an XML text; download the file itself, not the page that shows it");
    const std::string unknown = ", as no format that is known here does; this version reads safetensors, GGUF, ONNX, PyTorch (.pt, .pth, .bin), NPY and NPZ";
    CHECK(refusal("a.bin", "\x40\0\0\0\x1b[2J"sv) == "begins with '@\\u{0}\\u{0}\\u{0}\\u{1b}[2J'" + unknown);
    // 8 as a little-endian number of 4 bytes is no protocol buffer
    CHECK(refusal("a.bin", "\x08\0\0\0\x20\0\0\0"sv) == "begins with '\\u{8}\\u{0}\\u{0}\\u{0} \\u{0}\\u{0}\\u{0}'" + unknown);
    CHECK(refusal("a.bin", "") == "is empty (0 bytes); download or write it again");
}
