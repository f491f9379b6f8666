#pragma once

#include <memory>
#include <optional>

#include <weightscope/core/error.hpp>
#include <weightscope/io/file_format.hpp>
#include <weightscope/io/gguf.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/npy.hpp>
#include <weightscope/io/npz.hpp>
#include <weightscope/io/onnx.hpp>
#include <weightscope/io/pytorch.hpp>
#include <weightscope/io/safetensors.hpp>

namespace weightscope::detail {

// Opens a file that holds a model, in the format that its content tells.
inline model read_model_file(const std::shared_ptr<const mapped_file>& file)
{
    return read_verified(file.get(), [&] {
        switch (format_of(*file)) {
            case file_format::gguf:
                return read_gguf(file);
            case file_format::onnx:
                return read_onnx(file);
            case file_format::npy:
                return read_npy_model(file);
            case file_format::npz:
                return read_npz(file);
            case file_format::pytorch_zip:
            case file_format::pytorch_legacy:
                return read_pytorch(file);
            case file_format::json:
                throw io_error(file->path(), std::nullopt, {}, "is a JSON text, expected a file of weights");
            default:
                return read_safetensors(file);
        }
    });
}

}  // namespace weightscope::detail
