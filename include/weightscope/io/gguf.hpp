#pragma once

#include <filesystem>
#include <memory>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

namespace detail {

// The model that a file, or the series of files that it belongs to, holds.
WEIGHTSCOPE_INLINE model read_gguf(const std::shared_ptr<const mapped_file>& file);

}  // namespace detail

/// Opens a GGUF file, version 2 or 3, or all parts of a split one ("name-00001-of-00003.gguf") when any of them is given. Reads
/// headers only.
///
/// Shapes are turned around to row-major [out, in...]. Quantized tensors are float32 with a decoder, which makes the very values that
/// ggml makes; encoding is the name of the type, "Q4_K". The types IQ1_*, IQ2_* and IQ3_*, whose codebooks are not known here, are
/// opaque: listed with shape and size, not analysed. A scale of a whole tensor that is a tensor of its own ("blk.0.attn_q.scale") is not
/// multiplied in. Metadata are kept as text, numbers so that they read back the same; long arrays, as a vocabulary is, as "array of
/// 32000 x string". See find_metadata().
///
/// @return  format "GGUF v3", architecture of general.architecture, tensors in the order of the file
/// @throws io_error  with the byte and the field at fault: every count, length, shape and offset is checked against the bytes that are
///                   there before anything is made of it, so that time and memory are bounded by the size of the file
/// @see    https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
[[nodiscard]] WEIGHTSCOPE_INLINE model read_gguf(const std::filesystem::path& path);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/gguf.hpp>
#endif
