#pragma once

#include <filesystem>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/open_options.hpp>

namespace weightscope {

/// Opens a model, wherever its weights lie. Reads headers only.
///
///     const model m = open_model("gpt2.safetensors");   // one file, told by its content
///     const model m = open_model("checkpoint-500");     // a folder
///     const model m = open_model("openai/gpt2");        // downloaded before by a Hugging Face library
///
/// A file is told by its content: safetensors and the index of its shards, GGUF, ONNX, PyTorch, NPY, NPZ. What is something else is
/// named as what it is, with what to do.
///
/// In a folder the first of these counts: model.safetensors.index.json with the shards that it names, model.safetensors, all
/// model-*-of-*.safetensors, the only *.safetensors.index.json, all *.safetensors; the only *.gguf or the parts of one;
/// pytorch_model.bin.index.json, pytorch_model.bin, all pytorch_model-*-of-*.bin; the only *.onnx; the only *.npz; the only *.pt,
/// *.pth, *.ckpt or *.bin; the only *.npy. A note in the model says what was passed over. An index may be named itself. What is
/// neither file nor folder is looked up in the local Hugging Face cache (find_in_hub_cache); nothing is downloaded.
///
/// Quantized weights that lie in parts, as GPTQ, AWQ, bitsandbytes and others store them, are shown as what they stand for, with their
/// parts beside.
///
/// Index and shards must agree: no shard missing or damaged, unless `options` allow for that, each tensor in the shard that the index
/// says and in no other. The parts of a GGUF file need each other and are always needed.
///
/// @param location  file, folder or id
/// @param options   see open_options
/// @return tensors in the order of the format's reader, shard after shard in natural order; path is what was opened: `location`, or
///         the folder in the cache; architecture is taken from the config.json beside the weights, or from a file that says it itself
/// @throws io_error  naming the file, and the byte and the field at fault where there are such
[[nodiscard]] WEIGHTSCOPE_INLINE model open_model(const std::filesystem::path& location, const open_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/open_model.hpp>
#endif
