#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/elements.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

/// One tensor that write_safetensors() is to write: its bytes, or the function that makes them.
struct tensor_to_write
{
    std::string name = {};
    weightscope::dtype dtype = weightscope::dtype::float32;
    std::vector<std::size_t> shape = {};                   ///< row-major, outermost first
    std::span<const std::byte> bytes = {};                 ///< row-major, little-endian; must outlive the call
    std::function<std::vector<std::byte>()> produce = {};  ///< if set, makes the bytes when their turn comes
};

namespace detail {

WEIGHTSCOPE_INLINE model read_safetensors(const std::shared_ptr<const mapped_file>& file);

}  // namespace detail

/// Opens one safetensors file. Reads its header only; the weights are read when they are visited.
///
/// Tensors come in the order of their data, which is the model's where the writer kept it. The reference implementation
/// sorts by dtype and name instead; where each dtype's names ascend byte by byte, all tensors are put into natural
/// order (layers.2 before layers.10).
///
/// The file is held to the format to the letter: a header of at most 100 MB that is one JSON object in UTF-8 without
/// duplicate keys, every tensor with a known dtype, at most 64 dimensions and as many bytes as its shape needs, the
/// tensors side by side from the header to the end of the file. Fields of a tensor other than dtype, shape and
/// data_offsets are passed over, as the reference does.
///
/// @return format "safetensors"; metadata is __metadata__, in the file's order; architecture is left empty
/// @throws io_error  with the byte and the field at fault
/// @see    https://github.com/huggingface/safetensors
[[nodiscard]] WEIGHTSCOPE_INLINE model read_safetensors(const std::filesystem::path& path);

/// The elements of `weights` as they lie in a file: row-major, little-endian.
template <tensor W>
[[nodiscard]] std::vector<std::byte> to_bytes(const W& weights)
{
    return with_elements(weights, [](auto elements) {
        const auto bytes = std::as_bytes(elements);
        return std::vector<std::byte>(bytes.begin(), bytes.end());
    });
}

/// A tensor to write under `name`, with the shape, the dtype and a copy of the elements of `weights`.
template <tensor W>
[[nodiscard]] tensor_to_write to_write(std::string name, const W& weights)
{
    return {.name = std::move(name),
            .dtype = dtype_of<std::remove_cv_t<typename W::value_type>>,
            .shape = {weights.shape().begin(), weights.shape().end()},
            .produce = [bytes = to_bytes(weights)] { return bytes; }};
}

namespace detail {

WEIGHTSCOPE_INLINE void require_writable(std::span<const tensor_to_write> tensors, const model_metadata& metadata);

}  // namespace detail

/// Size in bytes of the file that write_safetensors() would write, header included. Makes no tensor.
///
/// @throws std::invalid_argument  as write_safetensors()
[[nodiscard]] WEIGHTSCOPE_INLINE std::uint64_t safetensors_bytes(std::span<const tensor_to_write> tensors, const model_metadata& metadata = {});

/// Writes a safetensors file, which appears whole or not at all (see atomic_file).
///
///     write_safetensors("out.safetensors", std::vector{to_write("weight", weight), to_write("bias", bias)});
///
/// The data are laid out by falling size of their elements, so that each is aligned, and within one size in the given
/// order, which read_safetensors() gives back. At most one tensor that is made by `produce` is in memory at a time.
///
/// @param tensors   names in UTF-8, all different
/// @param metadata  strings for __metadata__, in UTF-8, keys all different
/// @throws std::invalid_argument  a name, a shape or a number of bytes does not fit
/// @throws write_error            the file cannot be written; the one that was there is as it was
WEIGHTSCOPE_INLINE void write_safetensors(const std::filesystem::path& path, std::span<const tensor_to_write> tensors,
                                          const model_metadata& metadata = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/safetensors.hpp>
#endif
