#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/activation_statistics.hpp>
#include <weightscope/io/mapped_file.hpp>

namespace weightscope {

struct imatrix_options
{
    std::uint64_t chunk_size = 512;  ///< tokens of a chunk, which files of the older format do not say
};

namespace detail {

WEIGHTSCOPE_INLINE std::vector<activation_statistics> read_imatrix(const std::shared_ptr<const mapped_file>& file, const imatrix_options& options);

}  // namespace detail

/// Reads an importance matrix of llama.cpp: what llama-imatrix saw at the inputs of the weight matrices, as a GGUF file or in the
/// older binary format (.dat).
///
/// In GGUF: the number of tokens and Σ x², in newer files also Σ x, one entry for each expert of a stack, named as unstack_experts()
/// names them ("blk.0.ffn_up_exps.weight[3]"). Tensors have llama.cpp's names: see hugging_face_name().
///
/// The older format has means of x² and a number of chunks: rows and sums are made of them with options.chunk_size, the means per row
/// do not depend on it. (Writers before 2025 saved sums over a chunk instead; the file does not say so. Figures within one tensor
/// compare all the same.) It does not tell experts apart: all columns of a stack are one entry.
///
/// @return  in the order of the file; an expert that saw no token has 0 rows
/// @throws io_error  with the byte and the field at fault; time and memory are bounded by the size of the file
/// @see     https://github.com/ggml-org/llama.cpp, tools/imatrix
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<activation_statistics> read_imatrix(const std::filesystem::path& path,
                                                                                 const imatrix_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/imatrix.hpp>
#endif
